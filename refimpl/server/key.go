package server

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/mldsa"
	"filippo.io/mldsa/x509"

	"github.com/bpci/xtmp/refimpl/security"
)

// Identity is a server's signing key, or pair of keys.
type Identity = security.Identity

// Kinds of identities.
const (
	KindEd25519 = security.KindEd25519 // one Ed25519 key
	KindHybrid  = security.KindHybrid  // an Ed25519 and an ML-DSA-65 key, which both sign
)

const (
	pemType    = "PRIVATE KEY"
	keyFileMax = 64 << 10 // B; PKCS #8 keys of kind 2 have about 250
)

// KeyError is an identity key file that cannot be used. Next says what to do.
type KeyError struct {
	File   string
	Reason string
	Next   string
	Err    error // cause, may be nil
}

// Error implements error.
func (e *KeyError) Error() string {
	return fmt.Sprintf("identity key %s %s: %s", e.File, e.Reason, e.Next)
}

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// GenerateKey makes a new identity of kind 1, an Ed25519 key, and writes it to
// file, which must not exist, readable by its owner only. Its error is a *KeyError.
func GenerateKey(file string) (*Identity, error) { return generate(file, false) }

// GenerateHybridKey is GenerateKey for kind 2: an Ed25519 and an ML-DSA-65 key, in
// two PEM blocks of one file.
func GenerateHybridKey(file string) (*Identity, error) { return generate(file, true) }

func generate(file string, hybrid bool) (*Identity, error) {
	_, classic, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("xtmp: drawing a key: %w", err)
	}
	keys := []any{classic}
	var quantum *mldsa.PrivateKey
	if hybrid {
		if quantum, err = mldsa.GenerateKey(mldsa.MLDSA65()); err != nil {
			return nil, fmt.Errorf("xtmp: drawing a key: %w", err)
		}
		keys = append(keys, quantum)
	}
	var text bytes.Buffer
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err == nil {
			err = pem.Encode(&text, &pem.Block{Type: pemType, Bytes: der})
		}
		if err != nil {
			return nil, fmt.Errorf("xtmp: encoding a key: %w", err)
		}
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, unwritable(file, err)
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(file) // half a key is none
		return nil, unwritable(file, err)
	}
	return identity(classic, quantum)
}

// identity joins the keys of an identity; quantum is nil for kind 1.
func identity(classic ed25519.PrivateKey, quantum *mldsa.PrivateKey) (*Identity, error) {
	if quantum == nil {
		return security.NewIdentity(classic.Seed())
	}
	return security.NewHybridIdentity(classic.Seed(), quantum.Bytes())
}

func unwritable(file string, err error) *KeyError {
	e := &KeyError{File: file, Reason: "cannot be written: " + reason(err), Next: "name a file where there is room", Err: err}
	switch {
	case errors.Is(err, fs.ErrExist):
		e.Reason, e.Next = "exists", "name another file, or remove it if no client pins it"
	case errors.Is(err, fs.ErrNotExist):
		e.Next = "make its directory with `mkdir -p " + filepath.Dir(file) + "`"
	case errors.Is(err, fs.ErrPermission):
		e.Next = "run as a user who may, or name another file"
	}
	return e
}

// LoadKey reads an identity from a PEM file with an Ed25519 key in PKCS #8, and for
// kind 2 an ML-DSA-65 key behind it. Its error is a *KeyError.
func LoadKey(file string) (*Identity, error) {
	text, err := readKey(file)
	if err != nil {
		return nil, err
	}
	wrong := func(reason string, cause error) (*Identity, error) {
		const next = "an identity is a PEM file with an Ed25519 key in PKCS #8, for kind 2 an ML-DSA-65 key behind it, as keygen writes it"
		return nil, &KeyError{File: file, Reason: reason, Next: next, Err: cause}
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return wrong("is not a PEM private key", nil)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	classic, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return wrong("holds no Ed25519 key", err)
	}
	var quantum *mldsa.PrivateKey
	if block, rest = pem.Decode(rest); block != nil {
		if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			quantum, ok = key.(*mldsa.PrivateKey)
		}
		if err != nil || block.Type != pemType || !ok || quantum.PublicKey().Parameters() != mldsa.MLDSA65() {
			return wrong("holds a second key that is not ML-DSA-65", err)
		}
	}
	if bytes.Contains(rest, []byte("-----BEGIN")) { // half a second key must not make it kind 1
		return wrong("holds a block too many, or one that is cut off", nil)
	}
	return identity(classic, quantum)
}

// readKey reads a key file that is nobody else's to read. What is checked is
// what is read: the file is opened once.
func readKey(file string) ([]byte, error) {
	// A named pipe must not hold up the start, so its kind is known before.
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil, &KeyError{File: file, Reason: "is not a file", Next: "name the file that keygen wrote"}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	defer f.Close() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(file, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &KeyError{File: file, Reason: "is open to other users", Next: "run `chmod 600 " + file + "`"}
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileMax))
	if err != nil {
		return nil, unreadable(file, err)
	}
	return text, nil
}

func unreadable(file string, err error) *KeyError {
	e := &KeyError{File: file, Reason: "cannot be read: " + reason(err), Next: "name another file", Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Next = "is missing", "make one with `bpci-xtmp-server keygen --out "+file+"`"
	case errors.Is(err, fs.ErrPermission):
		e.Next = "run as its owner, or give it to this user with `chown`"
	}
	return e
}

// reason is the innermost text of a file error, without the path.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// LoadKeys reads several identities, the default first. Its error is that of
// LoadKey for the first that cannot be read.
func LoadKeys(files []string) ([]*Identity, error) {
	var ids []*Identity
	for _, file := range files {
		id, err := LoadKey(file)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
