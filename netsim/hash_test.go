package netsim

// wantHash is the hash of one run. It is the same on every machine, and changes
// whenever a run does: then it is written anew, and the change is looked at.
const wantHash = "776c64c7a6d12e49 after 310 steps"
