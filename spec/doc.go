// Package spec is the text of XTMP/1 as data: the chapters, the registry and
// the requirements, embedded and typed. Everything else in this repository that
// needs a code point, a layout, a limit or a requirement reads it here or is
// tested against it.
//
//	spec/NN-name.md          normative sentences, one ID each     -> Requirements, Chapters
//	spec/registry/*.json     layouts, code points, key schedule,  -> the other fields of Registry
//	                         limits, timers, states
//	spec/decisions/*.md      why an ambiguous sentence was mended
//
// # The registry files
//
// They are JSON with three conventions. A string that is a hexadecimal number,
// "0xFE", stands for that number. null stands for [Variable]: an offset or a
// size that depends on the bytes before it. An entry is one object, mostly on
// one line, so that a difference between two versions reads well.
//
// # Layouts
//
// A [Layout] is a list of fields, written one after another, integers big-endian.
// The kind of a field says how long it is:
//
//	uint, bytes, zero   Size bytes; zero bytes are all 0
//	var                 value of LenField × LenUnit bytes
//	rest                all bytes that are left, at most Max if Max is not 0
//	tlv                 u16 length in bytes, then entries of layout tlv_entry
//
// A field with Flag is present when the frame header has that flag. A field with
// If is present when the field it names has a bit of the mask; one with Unless
// is absent then. A field that is itself absent counts as 0. Layout names the
// layout of the bytes inside a field, repeated to the end for var and tlv.
// Then, in the layout of the frame, is what follows the 96 bytes.
//
// The attribute of a field says what an observer may expect of it when the same
// exchange is run again:
//
//	fixed      the same bytes: set by the text or by what is being said
//	session    one value per session, chosen by an endpoint
//	derived    computed from other bytes and keys
//	volatile   random, or a time
//	opaque     bytes that this layout does not interpret
//
// # The language of the key schedule
//
// schedule.json is a set of functions. A function has inputs and steps; a step
// gives one named byte string. A step needs only what its operands name, so
// an interpreter evaluates on demand: th1 can be had before the server's
// identity is known. A value that the caller has set beforehand wins over its
// step; that is how known answers start from a given th1, and how a wrong
// ServerFinished is written on purpose.
//
// An operand is a list of terms joined by ‖. A term is one of
//
//	'text'     the ASCII bytes between the quotes
//	x:43000030 the bytes of the hexadecimal digits
//	00*48      one byte, repeated
//	name       an input, an earlier or later step, or a constant
//
// and the empty operand is the empty string. The operations:
//
//	concat   Parts
//	hash     Hash(Parts)
//	hmac     HMAC-Hash(Key, Parts)
//	extract  HKDF-Extract(Salt, IKM)
//	expand   ExpandLabel(SecretIn, Label, Context, n)
//	         = HKDF-Expand(SecretIn, u16 n ‖ u8 len ‖ LabelPrefix ‖ Label ‖ u8 len ‖ Context, n)
//	xor      Left XOR Right, of equal length
//	take     the first Size bytes of Parts
//
// The hash is that of the step, or else that of the schedule. n is Size, or the
// number given as the input that SizeFrom names. The slots say which secret of
// which function is the traffic secret of a key slot; function slot turns it into
// key, iv and key_id, function nonce gives the nonce of a frame. For path p0 and
// epoch 0, root is root_0 and binder is binder_0 of function handshake.
//
// # What it does not do
//
// It encodes no frame, derives no key and judges nobody. Whether text and
// registry are sound is checked by this package's tests, not by [Load], which
// refuses only what it cannot read.
package spec
