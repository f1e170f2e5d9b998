package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
)

func TestGenerateKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity.pem")
	made, err := GenerateKey(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	loaded, err := LoadKey(file)
	if err != nil || loaded.Fingerprint() != made.Fingerprint() {
		t.Errorf("what is loaded is not what was made: %v", err)
	}
	before, _ := os.ReadFile(file)
	_, err = GenerateKey(file)
	if want := "identity key " + file + " exists: name another file, or remove it if no client pins it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("the existing key is overwritten")
	}
	other, err := GenerateKey(file + "2")
	if err != nil || other.Fingerprint() == made.Fingerprint() {
		t.Errorf("two keys are one: %v", err)
	}
	_, err = GenerateKey(filepath.Join(filepath.Dir(file), "none", "identity.pem"))
	want := "cannot be written: no such file or directory: make its directory with `mkdir -p "
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

// An identity of kind 2 is two keys in one file.
func TestGenerateHybridKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity.pem")
	made, err := GenerateHybridKey(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	loaded, err := LoadKey(file)
	if err != nil || loaded.Kind() != KindHybrid || !bytes.Equal(loaded.Key(), made.Key()) {
		t.Fatalf("what is loaded is not what was made: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil || bytes.Count(text, []byte("-----BEGIN PRIVATE KEY-----\n")) != 2 {
		t.Errorf("the file is\n%s", text)
	}
	if _, err := GenerateHybridKey(file); err == nil {
		t.Error("the existing key is overwritten")
	}
	// The first block alone is another identity.
	end := bytes.Index(text[1:], []byte("-----BEGIN")) + 1
	if err := os.WriteFile(file, text[:end], 0o600); err != nil {
		t.Fatal(err)
	}
	alone, err := LoadKey(file)
	if err != nil || alone.Kind() != KindEd25519 || !bytes.Equal(alone.Key()[1:], made.Key()[1:33]) {
		t.Errorf("the first block alone: %v", err)
	}
}

// A key that was made by other tools is a key.
func TestLoadForeignKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "identity.pem")
	text := "text before\n-----BEGIN PRIVATE KEY-----\n" + // RFC 8410, section 10.3
		"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
	if err := os.WriteFile(file, []byte(text), 0o400); err != nil {
		t.Fatal(err)
	}
	id, err := LoadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe} // the public key of section 10.1
	if !bytes.HasPrefix(id.Key()[1:], want) {
		t.Errorf("the public key is %x", id.Key()[1:])
	}
}

// Each refusal is one sentence with the next step.
func TestLoadKeyRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	der := func(key any) []byte {
		t.Helper()
		b, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	good := block("PRIVATE KEY", der(edKey))
	write("open.pem", good, 0o644)
	write("group.pem", good, 0o640)
	write("text.pem", []byte("not a key\n"), 0o600)
	write("empty.pem", nil, 0o600)
	write("der.pem", der(edKey), 0o600)
	write("public.pem", block("PUBLIC KEY", der(edKey)), 0o600)
	write("encrypted.pem", block("ENCRYPTED PRIVATE KEY", der(edKey)), 0o600)
	write("rsa.pem", block("PRIVATE KEY", der(rsaKey)), 0o600)
	write("ec.pem", block("PRIVATE KEY", der(ecKey)), 0o600)
	write("junk.pem", block("PRIVATE KEY", []byte("junk")), 0o600)
	write("long.pem", append(bytes.Repeat([]byte("x\n"), keyFileMax/2), good...), 0o600)
	quantum := func(p mldsa.Parameters) []byte {
		t.Helper()
		key, err := mldsa.GenerateKey(p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := mldsax509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return block("PRIVATE KEY", b)
	}
	second := quantum(mldsa.MLDSA65())
	write("ml.pem", second, 0o600)
	write("order.pem", slices.Concat(second, good), 0o600)
	write("twice.pem", slices.Concat(good, good), 0o600)
	write("small.pem", slices.Concat(good, quantum(mldsa.MLDSA44())), 0o600)
	write("cert.pem", slices.Concat(good, block("CERTIFICATE", []byte("x"))), 0o600)
	write("three.pem", slices.Concat(good, second, second), 0o600)
	write("half.pem", slices.Concat(good, second[:len(second)/2]), 0o600)
	write("flipped.pem", slices.Concat(good, bytes.Replace(second, []byte("END"), []byte("ENF"), 1)), 0o600)
	if err := os.Mkdir(filepath.Join(dir, "dir.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	const form = "an identity is a PEM file with an Ed25519 key in PKCS #8, for kind 2 an ML-DSA-65 key behind it, as keygen writes it"
	for name, want := range map[string]string{
		"none.pem":      "is missing: make one with `bpci-xtmp-server keygen --out FILE`",
		"open.pem":      "is open to other users: run `chmod 600 FILE`",
		"group.pem":     "is open to other users: run `chmod 600 FILE`",
		"text.pem":      "is not a PEM private key: " + form,
		"empty.pem":     "is not a PEM private key: " + form,
		"der.pem":       "is not a PEM private key: " + form,
		"public.pem":    "is not a PEM private key: " + form,
		"encrypted.pem": "is not a PEM private key: " + form,
		"long.pem":      "is not a PEM private key: " + form,
		"rsa.pem":       "holds no Ed25519 key: " + form,
		"ec.pem":        "holds no Ed25519 key: " + form,
		"junk.pem":      "holds no Ed25519 key: " + form,
		"ml.pem":        "holds no Ed25519 key: " + form,
		"order.pem":     "holds no Ed25519 key: " + form,
		"twice.pem":     "holds a second key that is not ML-DSA-65: " + form,
		"small.pem":     "holds a second key that is not ML-DSA-65: " + form,
		"cert.pem":      "holds a second key that is not ML-DSA-65: " + form,
		"three.pem":     "holds a block too many, or one that is cut off: " + form,
		"half.pem":      "holds a block too many, or one that is cut off: " + form,
		"flipped.pem":   "holds a block too many, or one that is cut off: " + form,
		"dir.pem":       "is not a file: name the file that keygen wrote",
		"fifo.pem":      "is not a file: name the file that keygen wrote",
		"open.pem/x":    "cannot be read: not a directory: name another file",
	} {
		file := filepath.Join(dir, name)
		_, err := LoadKey(file)
		var bad *KeyError
		if !errors.As(err, &bad) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if got, want := err.Error(), "identity key "+file+" "+strings.ReplaceAll(want, "FILE", file); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if _, err := LoadKey(filepath.Join(dir, "none.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cause of %v is lost", err)
	}
}

// Permissions bind those who are not root.
func TestKeyPermissions(t *testing.T) {
	for _, test := range []struct {
		err        error
		unreadable bool
		want       string
	}{
		{&fs.PathError{Op: "open", Path: "f", Err: fs.ErrPermission}, true, "run as its owner"},
		{&fs.PathError{Op: "open", Path: "f", Err: fs.ErrPermission}, false, "run as a user who may"},
		{&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, false, "no space left on device: name a file where there is room"},
	} {
		var err error = unwritable("f", test.err)
		if test.unreadable {
			err = unreadable("f", test.err)
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}
