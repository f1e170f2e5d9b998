package security

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"github.com/bpci/xtmp/refimpl/wire"
)

// HashSize is the size of SHA-384 and of every secret, in bytes.
const HashSize = 48

// Secret is a traffic or root secret.
type Secret [HashSize]byte

// Digest is a transcript hash or a MAC.
type Digest [HashSize]byte

const labelPrefix = "xtmp1 "

func newHash() hash.Hash { return sha512.New384() }

func sum(parts ...[]byte) Digest {
	h := newHash()
	for _, p := range parts {
		h.Write(p)
	}
	return Digest(h.Sum(nil))
}

// ExpandLabel derives n bytes from s:
// HKDF-Expand(s, u16 n ‖ u8 len ‖ "xtmp1 " label ‖ u8 len ‖ context). [XTMP-KEY-001]
// The context is shorter than 256 bytes.
func ExpandLabel(s []byte, label string, context []byte, n int) []byte {
	info := make([]byte, 0, 4+len(labelPrefix)+len(label)+len(context))
	info = binary.BigEndian.AppendUint16(info, uint16(n))
	info = append(info, byte(len(labelPrefix)+len(label)))
	info = append(info, labelPrefix...)
	info = append(info, label...)
	info = append(info, byte(len(context)))
	info = append(info, context...)
	out, err := hkdf.Expand(newHash, s, string(info), n)
	if err != nil {
		panic("xtmp: internal error: HKDF-Expand: " + err.Error())
	}
	return out
}

func expandSecret(s []byte, label string, context []byte) Secret {
	return Secret(ExpandLabel(s, label, context, HashSize))
}

func extract(salt, ikm []byte) Secret {
	out, err := hkdf.Extract(newHash, ikm, salt)
	if err != nil {
		panic("xtmp: internal error: HKDF-Extract: " + err.Error())
	}
	return Secret(out)
}

func mac(key, message []byte) Digest {
	m := hmac.New(newHash, key)
	m.Write(message)
	return Digest(m.Sum(nil))
}

// Transcript hashes transcript messages as they are sent or received. A
// message is type u8 ‖ len u24 ‖ body; envelopes and frame headers are outside.
type Transcript struct{ h hash.Hash }

// NewTranscript returns an empty transcript.
func NewTranscript() Transcript { return Transcript{newHash()} }

// Add appends one message with its type and its body.
func (t Transcript) Add(messageType byte, body []byte) {
	var header [4]byte
	binary.BigEndian.PutUint32(header[:], uint32(messageType)<<24|uint32(len(body)))
	t.h.Write(header[:])
	t.h.Write(body)
}

// AddWhole appends one message that carries its header already.
func (t Transcript) AddWhole(message []byte) { t.h.Write(message) }

// Sum returns the hash of everything so far.
func (t Transcript) Sum() Digest { return Digest(t.h.Sum(nil)) }

// SharedSecret is mlkem_ss ‖ x25519_ss.
type SharedSecret [64]byte

// Handshake holds the secrets of a handshake until it is complete.
type Handshake struct {
	hs             Secret
	Client, Server Secret // c_hs and s_hs, traffic secrets of the handshake slots
}

// NewHandshake derives the handshake secrets from the shared secret and
// th1 = H(ClientHello ‖ ServerHello). [XTMP-KEY-001]
func NewHandshake(ss *SharedSecret, th1 Digest) *Handshake {
	salt := sum([]byte("XTMP/1 key schedule"))
	hs := extract(salt[:], ss[:])
	return &Handshake{
		hs:     hs,
		Client: expandSecret(hs[:], "c hs", th1[:]),
		Server: expandSecret(hs[:], "s hs", th1[:]),
	}
}

// ServerFinished is the MAC over th = H(CH ‖ SH ‖ SI ‖ SS).
func (k *Handshake) ServerFinished(th Digest) Digest { return finished(k.Server, th) }

// ClientFinished is the MAC over th3 = H(CH ‖ SH ‖ SI ‖ SS ‖ SF).
func (k *Handshake) ClientFinished(th3 Digest) Digest { return finished(k.Client, th3) }

func finished(base Secret, th Digest) Digest {
	key := expandSecret(base[:], "finished", nil)
	return mac(key[:], th[:])
}

// Complete derives root_0 and the exporter from th3 and erases the handshake
// secrets. [XTMP-KEY-003]
func (k *Handshake) Complete(th3 Digest) (root, exporter Secret) {
	salt := expandSecret(k.hs[:], "derived", nil)
	var zero [HashSize]byte
	ms := extract(salt[:], zero[:])
	root = expandSecret(ms[:], "root", th3[:])
	exporter = expandSecret(ms[:], "exporter", th3[:])
	*k = Handshake{}
	clear(ms[:])
	return root, exporter
}

// Erase overwrites the secrets of a handshake that failed.
func (k *Handshake) Erase() { *k = Handshake{} }

// Export derives n bytes for an application:
// ExpandLabel(ExpandLabel(exporter, label, "", 48), "exporter", H(context), n).
func Export(exporter *Secret, label string, context []byte, n int) []byte {
	inner := expandSecret(exporter[:], label, nil)
	c := sum(context)
	return ExpandLabel(inner[:], "exporter", c[:], n)
}

// PathSecrets are the traffic secrets of one path in one epoch. binder is th3
// for path 0.
func PathSecrets(root *Secret, binder Digest) (client, server Secret) {
	return expandSecret(root[:], "c path", binder[:]), expandSecret(root[:], "s path", binder[:])
}

const pathLabel = "XTMP/1 path"

// PathBinder is the binder of an attached path: a hash of the bodies of its Attach
// and AttachAck, as transcript messages. [XTMP-KEY-001]
func PathBinder(attach, ack []byte) Digest {
	t := NewTranscript()
	t.h.Write([]byte(pathLabel))
	t.Add(byte(wire.HSAttach), attach)
	t.Add(byte(wire.HSAttachAck), ack)
	return t.Sum()
}

// AttachSecrets are the traffic secrets of the attach slot in one epoch.
func AttachSecrets(root *Secret) (client, server Secret) {
	return expandSecret(root[:], "c attach", nil), expandSecret(root[:], "s attach", nil)
}

// NextRoot derives root_{e+1} from root_e, the transcript messages of the rekey
// and its shared secret:
// HKDF-Extract(salt = ExpandLabel(root_e, "rekey", H(RekeyInit ‖ RekeyResp), 48), ikm = ss'). [XTMP-KEY-001]
// init and resp are message bodies without their headers.
func NextRoot(root *Secret, init, resp []byte, ss *SharedSecret) Secret {
	t := NewTranscript()
	t.Add(byte(wire.HSRekeyInit), init)
	t.Add(byte(wire.HSRekeyResp), resp)
	th := t.Sum()
	salt := ExpandLabel(root[:], "rekey", th[:], HashSize)
	return extract(salt, ss[:])
}
