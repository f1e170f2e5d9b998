package netsim

// wantHash is the hash of one run. It is the same on every machine, and changes
// whenever a run does: then it is written anew, and the change is looked at.
const wantHash = "ed7a8d0ebd69ed44 after 479 steps"
