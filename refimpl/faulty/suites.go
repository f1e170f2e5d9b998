package faulty

// suiteMutants break suites, identities and integrity-only sessions.
var suiteMutants = []Mutant{
	{
		Name: "prefers-own-order", Requirement: "XTMP-TRU-020",
		Description: "The server chooses the suite by its own preference.",
		Edit: Edit{
			File: serverGo,
			At:   "for _, offered := range hello.Suites {",
			Before: `
for _, enabled := range s.cfg.Suites {
for _, offered := range hello.Suites {
if offered == enabled && id.Serves(offered) {
return offered, true
}
}
}`,
		},
	},
	{
		Name: "ignores-hints", Requirement: "XTMP-TRU-018",
		Description: "identity_hint is not looked at.",
		Edit:        Edit{File: serverGo, If: "anyHinted && !hinted(id)", Unless: "true"},
	},
	{
		Name: "serves-postquantum-with-one-key", Requirement: "XTMP-TRU-019",
		Description: "Suite 3 is chosen with an identity of kind 1.",
		Edit:        Edit{File: serverGo, If: "offered == enabled && id.Serves(offered)", Or: "offered == enabled"},
	},
	{
		Name: "leaves-hinted-identity", Requirement: "XTMP-TRU-021",
		Description: "If no hinted identity serves a suite, another one does.",
		Edit: Edit{
			File: serverGo,
			At:   "return nil, 0, false",
			Before: `
for _, id := range s.cfg.Server.Identities {
if suite, ok := s.serves(id, hello); ok {
return id, suite, true
}
}`,
		},
	},
	{
		Name: "lacks-aes", Requirement: "XTMP-SUI-001",
		Description: "Suite 1 is never chosen.",
		Edit:        Edit{File: serverGo, If: "offered == enabled && id.Serves(offered)", Unless: "offered == wire.SuiteAES256GCM"},
	},
	{
		Name: "lacks-chacha20", Requirement: "XTMP-SUI-005",
		Description: "Suite 2 is never chosen.",
		Edit:        Edit{File: serverGo, If: "offered == enabled && id.Serves(offered)", Unless: "offered == wire.SuiteChaCha20"},
	},
	{
		Name: "lacks-postquantum", Requirement: "XTMP-SUI-005",
		Description: "Suite 3 is never chosen.",
		Edit:        Edit{File: serverGo, If: "offered == enabled && id.Serves(offered)", Unless: "offered == wire.SuitePostQuantum"},
	},
	{
		Name: "integrity-only-for-everybody", Requirement: "XTMP-INT-003", Without: IntegrityOnly,
		Description: "Suite 0 is chosen although the configuration leaves it off.",
		Edit:        Edit{File: serverGo, If: "offered == enabled && id.Serves(offered)", Or: "offered == wire.SuiteNone"},
	},
	{
		Name: "integrity-only-accepts-encryption-type", Requirement: "XTMP-INT-009",
		Description: "In a suite-0 session encryption_type may be anything.",
		Edit: Edit{
			File:   receiveGo,
			If:     "h.SessionID != s.id || h.Encryption != s.suite || opener == nil",
			Unless: "s.suite == wire.SuiteNone && h.SessionID == s.id && opener != nil",
		},
	},
	{
		Name: "integrity-only-accepts-any-tag", Requirement: "XTMP-INT-010",
		Description: "The tag of a suite-0 frame is not compared.",
		Edit:        Edit{File: suiteGo, If: "subtle.ConstantTimeCompare(got, want[:]) != 1", Unless: "true"},
	},
	{
		Name: "integrity-only-compares-half-a-tag", Requirement: "XTMP-INT-010",
		Description: "Eight bytes of the tag of a suite-0 frame are compared.",
		Edit: Edit{
			File:   suiteGo,
			If:     "subtle.ConstantTimeCompare(got, want[:]) != 1",
			Unless: "[8]byte(got) == [8]byte(want[:])",
		},
	},
}
