package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bpci/xtmp/refimpl/security"
)

// Identity is a server's signing key.
type Identity = security.Identity

const (
	pemType    = "PRIVATE KEY"
	keyFileMax = 64 << 10 // B; a PKCS #8 Ed25519 key has about 120
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

// GenerateKey makes a new Ed25519 identity and writes it to file, which must
// not exist, readable by its owner only. Its error is a *KeyError.
func GenerateKey(file string) (*Identity, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("xtmp: drawing a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("xtmp: encoding a key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, unwritable(file, err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: pemType, Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(file) // half a key is none
		return nil, unwritable(file, err)
	}
	return security.NewIdentity(private.Seed())
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

// LoadKey reads an identity from a PKCS #8 PEM file with an Ed25519 key. Its
// error is a *KeyError.
func LoadKey(file string) (*Identity, error) {
	text, err := readKey(file)
	if err != nil {
		return nil, err
	}
	const next = "an identity is a PKCS #8 PEM file with an Ed25519 key, as keygen writes it"
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, &KeyError{File: file, Reason: "is not a PEM private key", Next: next}
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, &KeyError{File: file, Reason: "holds no Ed25519 key", Next: next, Err: err}
	}
	return security.NewIdentity(private.Seed())
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
