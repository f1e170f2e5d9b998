package testkit

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The frames of appendix B.3 in every suite.
func TestKnownFramesOfTheSuites(t *testing.T) {
	keys, _ := pathKeys()
	ping := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}
	for suite, want := range map[uint8]string{
		SuiteAES256GCM:        "bba2f78efbddf7d33241b98f99f8f757" + "c7bc718d8da49e4b6d",
		SuiteChaCha20Poly1305: "4b411784ddab9b7290dbeecc8771e882" + "8e3a46ffcd857ddb06",
		SuiteIntegrityOnly:    "42bf544c315648b36beaf02e31b128bf" + "000102030405060708",
	} {
		f := NewFrame(0x03, 0)
		f.Header.DefaultUint("session_id", 0x1122334455667788).DefaultUint("timestamp", 1790000000000000)
		raw := f.Seal(keys.For(suite), 7, ping).Encode()
		if got := hex.EncodeToString(raw[80:]); got != want {
			t.Errorf("suite %d gives %s, want %s", suite, got, want)
		}
		if encrypted := f.Flags()&FlagValue("ENCRYPTED") != 0; encrypted != (suite != SuiteIntegrityOnly) {
			t.Errorf("suite %d: ENCRYPTED is set: %t", suite, encrypted)
		}
		read, _, _ := DecodeFrame(raw)
		if opened, err := read.Open(keys.For(suite)); err != nil || !bytes.Equal(opened, ping) {
			t.Errorf("suite %d opens to %x, %v", suite, opened, err)
		}
		if parts := Annotate(raw); parts[len(parts)-1].Label != "frame.payload" {
			t.Errorf("suite %d: the payload of a sealed frame is taken apart", suite)
		}
		for _, at := range []int{8, 79, 80, 95, 96} {
			spoiled := bytes.Clone(raw)
			spoiled[at] ^= 1
			read, _, _ := DecodeFrame(spoiled)
			if _, err := read.Open(keys.For(suite)); err == nil {
				t.Errorf("suite %d: byte %d is not covered", suite, at)
			}
		}
	}
}

func TestHybridIdentity(t *testing.T) {
	id := Identity{Seed: make([]byte, 32), MLDSASeed: bytes.Repeat([]byte{9}, 32)}
	key, signature, input := id.KeyBytes(), id.Sign([]byte("input")), []byte("input")
	if len(key) != 1985 || key[0] != 2 || len(signature) != Layout("server_signature_2").Size {
		t.Fatalf("key of %d bytes, kind %d, signature of %d bytes", len(key), key[0], len(signature))
	}
	if !bytes.Equal(signature, id.Sign(input)) {
		t.Error("signing again gives another signature")
	}
	if !Verify(key, input, signature) || Verify(key, []byte("other"), signature) {
		t.Error("the signature does not tell its input from another")
	}
	for _, at := range []int{0, 63, 64, len(signature) - 1} {
		spoiled := bytes.Clone(signature)
		spoiled[at] ^= 1
		if Verify(key, input, spoiled) {
			t.Errorf("byte %d of the signature does not matter", at)
		}
	}
	if Verify(key, input, signature[:64]) || Verify(key, input, append(bytes.Clone(signature), 0)) || Verify(key[:33], input, signature) {
		t.Error("half a signature, or half a key, is enough")
	}
	plain := Identity{Seed: make([]byte, 32)}
	if plain.Kind() != KindEd25519 || !Verify(plain.KeyBytes(), input, plain.Sign(input)) || Verify(nil, input, nil) {
		t.Error("kind 1 does not verify as itself")
	}
	if Verify(append([]byte{3}, plain.KeyBytes()[1:]...), input, plain.Sign(input)) {
		t.Error("a kind that does not exist verifies")
	}
}

func TestKnownAnswersOfEpoch1(t *testing.T) {
	d := appendixB()
	root := unhex(t, "151044d7c144414e9fbd3fac7520573fddaba462455847a089f26e9a40ed3c31ee36a4d04a511792f7d7509931089a89")
	path := Derive("path", Values{"root": root, "binder": d.Value("binder_0")})
	for secret, want := range map[string]string{
		"ts_client": "369570d5d157374f328acde7a18d2e12", "ts_server": "4093dbf52bfd55c4228b8f14a910810b",
	} {
		if got := DeriveKeys(path.Value(secret)).KeyID; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("key_id of %s in epoch 1 is %x, want %s", secret, got, want)
		}
	}
}

func TestFragmentsAndStreams(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 150)
	pieces := Cut(body, 512)
	if len(pieces) != 3 || len(pieces[0]) != 512 || len(pieces[2]) != 476 || !bytes.Equal(bytes.Join(pieces, nil), body) {
		t.Errorf("%d pieces", len(pieces))
	}
	for name, stream := range map[string][]byte{"deflated": Deflate(body), "stored": Stored(body, 700)} {
		got, taken, ended := Inflate(append(bytes.Clone(stream), 0xAA), len(body))
		if !bytes.Equal(got, body) || taken != len(stream) || !ended {
			t.Errorf("%s: %d bytes from %d of %d, ended %t", name, len(got), taken, len(stream), ended)
		}
		if got, _, ended := Inflate(stream, len(body)-1); len(got) != len(body)-1 || ended {
			t.Errorf("%s: %d bytes beyond the limit, ended %t", name, len(got), ended)
		}
	}
	if _, _, ended := Inflate([]byte{0x06}, 10); ended {
		t.Error("what is no stream ends")
	}
	if body, taken, ended := Inflate(Stored(nil, 1), 0); len(body) != 0 || taken != 5 || !ended {
		t.Error("the empty stream does not end")
	}
}

func TestFlightNamesTheSignatureOfItsKind(t *testing.T) {
	for size, want := range map[int]string{64: "server_signature_1.ed25519", 3373: "server_signature_2.mldsa65", 65: "rest"} {
		inside := append(make([]byte, 16), TranscriptMessage(0x42, make([]byte, size))...)
		inside[0] = 4
		if labels := labelsOf(AnnotatePlaintext(0x02, 0, inside)); labels[len(labels)-1] != want {
			t.Errorf("a signature of %d bytes is %v", size, labels)
		}
	}
}
