// Package handler is what messages mean: it takes the requests of sessions and
// answers them.
//
//	session ─ Deliver ─▶ Probe ─┬─▶ Reply at once           echo, sink, source, fail
//	                            ├─▶ queue by time ─▶ Reply   delay
//	                            └─▶ Push while writable      stream
//
// So far there is one application, Probe, for diagnosis: it is off unless the
// operator switches it on. A handler has one owner, the endpoint; it opens
// nothing and reads no clock.
package handler
