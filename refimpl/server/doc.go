// Package server is the public server of XTMP/1.
//
//	Load(file) ─▶ Config ─▶ Listen ─▶ Serve(ctx) ─▶ … ctx ends ─▶ every session is told, then nil
//	                                  meanwhile: SetIdentities, Rekey, Metrics
//
// A Config can be filled in by hand or read from a YAML file (Load), whose
// mistakes are reported with file, line, column and a caret. Identity keys are
// PEM files with keys in PKCS #8, made by GenerateKey (an Ed25519 key) and
// GenerateHybridKey (an ML-DSA-65 key beside it).
//
// What requests of the application do is decided by Config.Handlers: functions
// that may block, since they run in the pools of Config.Workers and never on an
// event loop.
//
// What happens on a connection is decided by package session, how sockets are
// driven by package transport.
package server
