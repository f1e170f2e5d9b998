// Package fuzz holds native Go fuzz targets that hold the core of the reference,
// refimpl/{wire,frame,security,recovery,session,handler,endpoint,websocket}, to the text. It has no code but its tests.
//
// Nothing here trusts the core to judge itself. What has to follow is said by the
// scribe (vectors/testkit), which interprets the registry, or by the model
// (model_test.go, model_message_test.go), which is written from the chapters.
//
//	target            input                                     what must hold
//	FuzzHeader        a stream of frames                        core = registry: frames, fields, checksum, check 3
//	FuzzBodies        a body of any layout                      core = registry: valid or not, values, bytes written back
//	FuzzSecurity      secret, suite, header, plaintext          core = scribe to the byte; nothing else opens
//	FuzzChunking      a connection and where it is cut          every cut gives the same events, end and output
//	FuzzWebSocket     a stream of RFC 6455, cut anywhere        every cut gives the frames, Pong and Close code of chapter 14
//	FuzzOpening       what a connection may begin with          HTTP or not, early and for good; answers are responses
//	FuzzSealed        frames under the right keys, and time     every reaction is the model's; bounded memory; one delivery
//	FuzzFragments     fragments of eight messages, and time     the same, for chapters 8.11, 8.12, 8.14
//	FuzzCompression   a stream and its original_len             inflates or is refused; memory as bytes come out
//	FuzzForged        bytes made without a key                  nothing is received, delivered or answered
//	FuzzHandshake     one message of a handshake, replaced      no session, or one with the same keys; the Errors of 5.7, 5.8
//	FuzzDifferential  a conversation between two cores          the scribe derives all keys and reads all frames; calls end once
//	FuzzSession       losses, forgeries, paths, rekeys and time no nonce twice; calls once; bounded memory; over stays over
//	FuzzDatagram      datagrams of who has proved no address    no state; nothing comes back that is longer than what came
//	FuzzWindow        sequence numbers in any order, rests      replay window and Acks = sets of numbers
//	FuzzSchedule      shared secrets, transcripts, rekeys       core = scribe, every secret of every epoch
//
// Seeds are the frames and plaintexts of vectors/, and sessions written by hand.
// testdata/fuzz holds inputs that fuzzing has found: the smallest few that reach
// what the seeds do not. `go test ./fuzz` replays both.
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzSealed$' -fuzztime 10m    fuzz one target
//	make fuzz-ci FUZZTIME=1m                                       fuzz every target of the module
//	.ci/fuzz-corpus                                                choose testdata/fuzz anew
//
// An input that fails is written to testdata/fuzz/<Target>/<name>, and `go test -v
// -run '<Target>/<name>' ./fuzz` tells its story, frame by frame. Then:
//
//  1. Find the sentence. If the text does not decide the case, mend the text first.
//  2. If the sentence is right and the core is not, show it to everybody: add a
//     vector, whose frame and plaintext the story prints, with a generator in
//     vectors/gen, or a row to a table of refimpl. Mend the core in the same commit.
//  3. If the model or the scribe is wrong, mend that.
//  4. Remove the input, unless it is the only one that shows the fault.
package fuzz
