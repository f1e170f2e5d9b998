package cases

import (
	"github.com/bpci/xtmp/conformance"
	"github.com/bpci/xtmp/conformance/peer"
	"github.com/bpci/xtmp/vectors/testkit"
)

// tlvBlocks asks about the block at the end of ClientHello, and about those that
// a server sends.
func tlvBlocks() []conformance.Case {
	return []conformance.Case{
		optionalEntries(), mandatoryEntry(), entryOrder(), entryBeyondBlock(), blockLength(), blocksSent(),
	}
}

// helloWithBlock sends a ClientHello with this TLV block and judges the refusal.
func helloWithBlock(x *conformance.Exchange, block []byte) {
	c := dial(x)
	hello := c.HelloDefaults()
	hello.Body.Set("extensions", block)
	send(x, c.SendHello(hello))
	judgeError(x, c)
}

func optionalEntries() conformance.Case {
	return conformance.Case{
		ID: "XC-0075", Title: "TLV entries of unknown types from 0x8000 on are ignored.",
		Proves: []string{"XTMP-TYP-025"}, Expect: accepts(),
		Params: []conformance.Param{param("types", "0x8000", "0xFFFF", "0x8000 … 0xFFFF")},
		Explain: explain("Extensions that can be ignored are how the protocol grows; a server that refuses one has to be worked around for ever.",
			"A ClientHello with one or seven entries of such types, with values of 0 to 300 bytes.",
			"the top bit of the type is not looked at", "values of some length are refused", "ignored entries are left out of the transcript"),
		Run: func(x *conformance.Exchange) {
			value := func(n int) []byte { return x.Entropy("tlv").Bytes(n) }
			blocks := map[string][]testkit.TLV{
				"0x8000": {{Type: 0x8000}},
				"0xFFFF": {{Type: 0xFFFF, Value: value(5)}},
				"0x8000 … 0xFFFF": {
					{Type: 0x8000},
					{Type: 0x8001, Value: value(1)},
					{Type: 0x80FF, Value: value(300)},
					{Type: 0x9000},
					{Type: 0xC0DE, Value: value(17)},
					{Type: 0xFFFE},
					{Type: 0xFFFF, Value: value(2)},
				},
			}
			_, err := dial(x).Handshake(peer.Script{Lenient: true, Hello: func(h *peer.Hello) {
				h.Body.Set("extensions", testkit.TLVBlock(blocks[x.Param("types")]...))
			}})
			x.Judge(observe(x, err, conformance.BudgetReply))
		},
	}
}

func mandatoryEntry() conformance.Case {
	return conformance.Case{
		ID: "XC-0076", Title: "A ClientHello with a TLV entry of an unknown type below 0x8000 is malformed.",
		Proves: []string{"XTMP-TYP-026"}, Touches: []string{"XTMP-HSK-071"},
		Control: "XC-0075", Expect: refuses("MALFORMED", "XTMP-TYP-026", "XTMP-HSK-071"),
		Params: []conformance.Param{param("type", hexes(4, 0x0000, 0x0001, 0x0002, 0x0003, 0x00FF, 0x7FFF)...)},
		Explain: explain("Such an entry says: do not go on unless you know this. Going on is what it forbids.",
			"A ClientHello with an entry of the type, followed by one that can be ignored. Types 0x0001 and 0x0002 have a "+
				"meaning in ServerIdentity only.",
			"every unknown entry is ignored", "one list of known types serves all messages", "the connection is closed without an Error"),
		Run: func(x *conformance.Exchange) {
			helloWithBlock(x, testkit.TLVBlock(
				testkit.TLV{Type: uint16(x.ParamInt("type")), Value: x.Entropy("tlv").Bytes(4)},
				testkit.TLV{Type: 0xC0DE},
			))
		},
	}
}

func entryOrder() conformance.Case {
	return conformance.Case{
		ID: "XC-0077", Title: "A ClientHello whose TLV types are not strictly ascending is malformed.",
		Proves: []string{"XTMP-TYP-027"}, Touches: []string{"XTMP-HSK-071"},
		Control: "XC-0075", Expect: refuses("MALFORMED", "XTMP-TYP-027", "XTMP-HSK-071"),
		Params: []conformance.Param{param("order", "twice", "descending", "last")},
		Explain: explain("One order means one encoding, and a type that stands twice has no meaning on which two peers agree.",
			"A ClientHello with two equal types, two in the wrong order, or four of which the last is out of order.",
			"entries are kept in a table, where the second replaces the first", "only neighbours at the front are compared"),
		Run: func(x *conformance.Exchange) {
			orders := map[string][]testkit.TLV{
				"twice":      {{Type: 0x9000}, {Type: 0x9000}},
				"descending": {{Type: 0x9001}, {Type: 0x9000}},
				"last":       {{Type: 0x9000}, {Type: 0x9001}, {Type: 0xA000}, {Type: 0x9002}},
			}
			helloWithBlock(x, testkit.TLVBlock(orders[x.Param("order")]...))
		},
	}
}

func entryBeyondBlock() conformance.Case {
	return conformance.Case{
		ID: "XC-0078", Title: "A ClientHello in which a TLV entry reaches beyond the block is malformed.",
		Proves: []string{"XTMP-TYP-028"}, Touches: []string{"XTMP-HSK-071"},
		Control: "XC-0075", Expect: refuses("MALFORMED", "XTMP-TYP-028", "XTMP-HSK-071"),
		Params: []conformance.Param{param("entry", "one byte", "three bytes", "value short by 1", "value of 65535")},
		Explain: explain("A length that is believed without looking reads beyond the message.",
			"A ClientHello whose block has the right ext_len and whose last entry is cut or claims more bytes than there are.",
			"the rest of the block is ignored when it is too short for an entry", "len is not compared with what is left"),
		Run: func(x *conformance.Exchange) {
			entries := map[string][]byte{
				"one byte":         {0x90},
				"three bytes":      {0x90, 0x00, 0x00},
				"value short by 1": {0x90, 0x00, 0x00, 0x04, 1, 2, 3},
				"value of 65535":   {0x90, 0x00, 0xFF, 0xFF, 1, 2, 3},
			}
			block := append(testkit.TLVBlock(testkit.TLV{Type: 0x8001})[2:], entries[x.Param("entry")]...)
			helloWithBlock(x, append(testkit.PutUint(uint64(len(block)), 2), block...))
		},
	}
}

func blockLength() conformance.Case {
	return conformance.Case{
		ID: "XC-0079", Title: "A ClientHello whose ext_len differs from the number of bytes behind it is malformed.",
		Proves: []string{"XTMP-TYP-029"}, Touches: []string{"XTMP-HSK-071"},
		Control: "XC-0075", Expect: refuses("MALFORMED", "XTMP-TYP-029", "XTMP-HSK-071"),
		Params: []conformance.Param{param("ext_len", "0", "one less", "one more", "65535", "bytes behind")},
		Explain: explain("Bytes behind the block belong to nobody, and bytes that are missing are read from somewhere else.",
			"A ClientHello whose block of two entries has another ext_len, or is followed by another whole entry.",
			"bytes behind the block are ignored", "ext_len is ignored because the message has an end"),
		Run: func(x *conformance.Exchange) {
			block := testkit.TLVBlock(testkit.TLV{Type: 0x8001}, testkit.TLV{Type: 0x9000, Value: []byte{1}})
			length := uint64(len(block) - 2)
			switch x.Param("ext_len") {
			case "0":
				length = 0
			case "one less":
				length--
			case "one more":
				length++
			case "65535":
				length = 65535
			case "bytes behind":
				block = append(block, testkit.TLVBlock(testkit.TLV{Type: 0xA000})[2:]...)
			}
			helloWithBlock(x, append(testkit.PutUint(length, 2), block[2:]...))
		},
	}
}

func blocksSent() conformance.Case {
	return toured(conformance.Case{
		ID: "XC-0080", Title: "The TLV blocks of ServerHello and ServerIdentity ascend and hold no entry that has to be understood.",
		Proves: []string{"XTMP-TYP-020", "XTMP-TYP-023", "XTMP-TYP-024"},
		Explain: conformance.Explain{
			Why: "A client fails the handshake on an entry below 0x8000 that it does not know.",
			UsualCauses: []string{
				"entries are written in the order of a table without order",
				"an extension of a later chapter is sent to everyone",
			},
		},
	})
}
