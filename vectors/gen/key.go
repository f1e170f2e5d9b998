package main

import (
	"bytes"
	"slices"

	"github.com/bpci/xtmp/vectors"
)

// smallOrder are the canonical Ed25519 encodings of small order, sign bit cleared.
var smallOrder = []struct{ name, key string }{
	{"order-4", "0000000000000000000000000000000000000000000000000000000000000000"},
	{"order-1", "0100000000000000000000000000000000000000000000000000000000000000"},
	{"order-2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"order-8-a", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
	{"order-8-b", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
}

// tooLarge are encodings whose y is not below 2^255 − 19.
var tooLarge = []struct{ name, key string }{
	{"y-p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"y-p-plus-1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"y-p-plus-18", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
}

// keyVectors are about Ed25519 public keys and signatures alone.
func keyVectors() []vectors.Vector {
	good := readIdentity().KeyBytes()[1:]
	all := []vectors.Vector{
		key("valid", good).valid("KEY-011 KEY-012", "An ordinary key: RFC 8032, section 7.1, test 1."),
	}
	for _, small := range smallOrder {
		all = append(all,
			key("small-"+small.name, unhex(small.key)).invalid("KEY-012", "A point of small order."),
			key("small-"+small.name+"-sign", signBit(unhex(small.key))).
				invalid("KEY-012", "A point of small order, with the sign bit set."))
	}
	for _, large := range tooLarge {
		all = append(all,
			key("large-"+large.name, unhex(large.key)).invalid("KEY-011", "y is not reduced."),
			key("large-"+large.name+"-sign", signBit(unhex(large.key))).invalid("KEY-011", "y is not reduced, and the sign bit is set."))
	}
	return append(all, signatureVectors()...)
}

func signatureVectors() []vectors.Vector {
	message := []byte("XTMP/1")
	identity := readIdentity()
	signature := identity.Sign(message)
	signed := func(id string, signature []byte) *keyScenario {
		return key("signature-"+id, identity.KeyBytes()[1:]).over(message, signature)
	}
	flipped := func(i int) []byte {
		s := slices.Clone(signature)
		s[i] ^= 1
		return s
	}
	return []vectors.Vector{
		signed("valid", signature).valid("KEY-014", "An ordinary signature."),
		signed("empty-message", identity.Sign(nil)).over(nil, identity.Sign(nil)).valid("KEY-014", "A signature over the empty message."),
		signed("r-bit", flipped(0)).invalid("KEY-014", "One bit of R."),
		signed("s-bit", flipped(32)).invalid("KEY-014", "One bit of S."),
		signed("s-plus-l", addOrder(signature)).invalid("KEY-013", "L was added to S: the same equation, another encoding."),
		signed("s-all-ones", append(slices.Clone(signature[:32]), bytes.Repeat([]byte{0xFF}, 32)...)).
			invalid("KEY-013", "S is 2^256 − 1."),
		signed("cofactor", unhex(cofactorSignature)).
			invalid("KEY-014", "R has a part of order 8: the equation holds only when both sides are multiplied by the cofactor."),
		key("signature-order-1", append([]byte{1}, make([]byte, 31)...)).over(message, append([]byte{1}, make([]byte, 63)...)).
			invalid("KEY-012", "Key 01 ‖ 00*31 verifies signature 01 ‖ 00*63 over any message; the key is refused."),
	}
}

// cofactorSignature was computed apart, with integers: R = rB + T with T of order 8
// and S = r + H(R ‖ A ‖ M)a, over "XTMP/1" under the key of RFC 8032, test 1, where
// r is SHA-512("r") mod L.
const cofactorSignature = "607055ca3d4aa8af26961afb12b1e60a75fac88f9c260ff25806631dbb269159" +
	"a840d913e153af14eb9942941b400bbfc550791f512095447f72c3d22b403c09"

func signBit(key []byte) []byte {
	key[31] |= 0x80
	return key
}

// A keyScenario is a vector of kind key in the making.
type keyScenario struct{ vectors.Vector }

func key(id string, public []byte) *keyScenario {
	return &keyScenario{vectors.Vector{ID: "key/" + id, Kind: vectors.KindKey, Given: []vectors.Value{{Name: "key", Bytes: public}}}}
}

func (k *keyScenario) over(message, signature []byte) *keyScenario {
	k.Given = append(k.Given[:1], vectors.Value{Name: "message", Bytes: message}, vectors.Value{Name: "signature", Bytes: signature})
	return k
}

func (k *keyScenario) valid(req, comment string) vectors.Vector {
	k.Expect, k.Req, k.Comment = vectors.Expect{Result: vectors.Valid}, requirements(req), comment
	return k.Vector
}

func (k *keyScenario) invalid(req, comment string) vectors.Vector {
	k.Expect = vectors.Expect{Result: vectors.Invalid, Class: vectors.ClassRefuse, Stage: "arithmetic"}
	k.Req, k.Comment = requirements(req), comment
	return k.Vector
}
