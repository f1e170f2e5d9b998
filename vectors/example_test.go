package vectors_test

import (
	"fmt"

	"github.com/bpci/xtmp/vectors"
)

// A receiver is tested by asking each vector what it is given and what must follow.
func ExampleLoad() {
	v, err := vectors.Load("heartbeat/ping-65")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Receiver, v.State, v.Expect)
	fmt.Printf("%d bytes from the %s, sequence number %x expected\n", len(v.Last().Frame), v.Last().From, v.GivenValue("sequence"))
	// Output:
	// server established invalid:PROTOCOL_VIOLATION@check13
	// 161 bytes from the client, sequence number 0000000000000007 expected
}
