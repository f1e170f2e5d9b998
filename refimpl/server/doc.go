// Package server is the public server of XTMP/1.
//
//	Load(file) ─▶ Config ─▶ Listen ─▶ Serve(ctx) ─▶ … ctx ends ─▶ every session is told, then nil
//
// A Config can be filled in by hand or read from a YAML file (Load), whose
// mistakes are reported with file, line, column and a caret. Identity keys are
// PKCS #8 PEM files with an Ed25519 key, made by GenerateKey.
//
// What happens on a connection is decided by package session, how sockets are
// driven by package transport.
package server
