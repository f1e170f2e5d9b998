package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bpci/xtmp/refimpl/security"
)

// Identity is a server's signing key.
type Identity = security.Identity

const pemType = "PRIVATE KEY"

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
		if errors.Is(err, fs.ErrExist) {
			return nil, &KeyError{File: file, Reason: "exists", Next: "name another file, or remove it if no client pins it", Err: err}
		}
		return nil, &KeyError{File: file, Reason: "cannot be written", Next: reason(err), Err: err}
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: pemType, Bytes: der}), f.Close())
	if err != nil {
		return nil, &KeyError{File: file, Reason: "cannot be written", Next: reason(err), Err: err}
	}
	return security.NewIdentity(private.Seed())
}

// LoadKey reads an identity from a PKCS #8 PEM file with an Ed25519 key. Its
// error is a *KeyError.
func LoadKey(file string) (*Identity, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &KeyError{
			File: file, Reason: "is missing", Next: "make one with `bpci-xtmp-server keygen --out " + file + "`", Err: err,
		}
	}
	if err != nil {
		return nil, &KeyError{File: file, Reason: "cannot be read", Next: reason(err), Err: err}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &KeyError{File: file, Reason: "is readable by others", Next: "run `chmod 600 " + file + "`"}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &KeyError{File: file, Reason: "cannot be read", Next: reason(err), Err: err}
	}
	const next = "an identity is a PKCS #8 PEM file with an Ed25519 key, as keygen writes it"
	block, _ := pem.Decode(b)
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

// reason is the innermost text of a file error, without the path.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
