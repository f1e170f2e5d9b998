package faulty

var zooTransport, zooHandshake, zooMessages, zooTimes []Variant
