package testkit_test

import (
	"bytes"
	"fmt"

	"github.com/bpci/xtmp/vectors/testkit"
)

// A frame is composed field by field, sealed, and spoiled where one wants it.
func Example() {
	keys := testkit.DeriveKeys(bytes.Repeat([]byte{1}, 48))
	ping := testkit.NewDraft(0x03, 0, 1790000000000000)
	ping.Body = testkit.Compose("heartbeat").Set("data", []byte("still there?"))
	ping.Frame.Header.SetUint("session_id", 42)
	ping.Keys, ping.Sequence = &keys, 7
	ping.AfterSeal(func(f *testkit.Frame) { f.Header.Flip("auth_tag", 0) })

	f, _, _ := testkit.DecodeFrame(ping.Encode())
	_, err := f.Open(keys)
	fmt.Println(f.Sequence(), len(f.Payload), err)
	// Output: 7 13 testkit: the tag does not verify
}

// The key schedule runs on demand: what is not asked for needs no input.
func ExampleDerive() {
	d := testkit.Derive("handshake", testkit.Values{"mlkem_ss": make([]byte, 32), "x25519_ss": make([]byte, 32)})
	fmt.Printf("%x\n", d.Value("HS")[:8])
	// Output: aeb5c5207b759d67
}
