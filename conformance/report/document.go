package report

// Format names the version of the document. It changes when a reader of the
// old form would misread the new one.
const Format = "xtmp-conform-report/1"

// A Document is a report as data. Times are microseconds, byte strings hex.
type Document struct {
	Header       Header        `json:"header"`
	Requirements []Requirement `json:"requirements"`
	Cases        []Case        `json:"cases"`
	Footer       Footer        `json:"footer"`
}

// A Header says what was judged, by what, and how.
type Header struct {
	Format      string      `json:"format"`
	Suite       Build       `json:"suite"`
	Spec        Build       `json:"spec"`
	Target      Target      `json:"target"`
	Selection   Selection   `json:"selection"`
	Drafts      []string    `json:"drafts,omitempty"` // what of the profiles is not certified yet
	Seed        string      `json:"seed"`             // 0x and 16 hex digits
	Parallel    int         `json:"parallel"`
	Started     string      `json:"started"` // RFC 3339, UTC
	ElapsedUS   int64       `json:"elapsed_us"`
	Calibration Calibration `json:"calibration"`
	Platform    string      `json:"platform"` // of the judge, "linux/amd64"
}

// A Build is a version and the SHA-256 of what it stands for.
type Build struct {
	Version string `json:"version"`
	Digest  string `json:"digest"`
}

// A Target is the implementation under test.
type Target struct {
	Command     string `json:"command,omitempty"` // if the judge started it
	TCP         string `json:"tcp"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Restarts    int    `json:"restarts"`
	Baseline    string `json:"baseline,omitempty"` // why the liveness probe failed at the start
	Lost        string `json:"lost,omitempty"`     // why it could no longer be driven
}

// A Selection is what the user asked for.
type Selection struct {
	Profiles []string `json:"profiles,omitempty"`
	Level    string   `json:"level,omitempty"`
	Run      []string `json:"run,omitempty"`
	Skip     []string `json:"skip,omitempty"`
}

// A Calibration is what the judge measured about its machine and the way to
// the target.
type Calibration struct {
	JitterUS    int64 `json:"jitter_us"`
	RoundTripUS int64 `json:"round_trip_us"`
	SlackUS     int64 `json:"slack_us"`
}

// A Requirement is one row of the matrix.
type Requirement struct {
	ID           string   `json:"id"`
	Level        string   `json:"level"`
	Role         string   `json:"role"`
	Profile      string   `json:"profile"`
	Chapter      string   `json:"chapter"`
	ChapterTitle string   `json:"chapter_title"`
	Section      string   `json:"section"`
	Text         string   `json:"text"`
	Testability  string   `json:"testability"`
	Reason       string   `json:"reason,omitempty"`
	Proving      []string `json:"proving,omitempty"`
	Touching     []string `json:"touching,omitempty"`
	Verdict      string   `json:"verdict,omitempty"`
	Draft        bool     `json:"draft,omitempty"` // no case yet: its profile is a draft
	Orphan       string   `json:"orphan,omitempty"`
}

// A Case is the verdict on one instance of a case, with its evidence.
type Case struct {
	ID       string    `json:"id"`
	Case     string    `json:"case"`
	Title    string    `json:"title"`
	Params   []Param   `json:"params,omitempty"`
	Level    string    `json:"level"`
	Role     string    `json:"role"`
	Profile  string    `json:"profile"`
	Proves   []string  `json:"proves"`
	Touches  []string  `json:"touches,omitempty"`
	Verdict  string    `json:"verdict"`
	Reason   string    `json:"reason,omitempty"`
	Judged   bool      `json:"judged"` // false for a control twin that was not selected
	Known    bool      `json:"known"`  // a failure that the user's list expects
	Control  *Control  `json:"control,omitempty"`
	Table    []Row     `json:"table,omitempty"`
	Observed string    `json:"observed,omitempty"`
	Diffs    []Diff    `json:"diffs,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
	Timeline []Entry   `json:"timeline,omitempty"`
	Dropped  int       `json:"dropped,omitempty"` // entries beyond the timeline's bounds
	Stderr   string    `json:"stderr,omitempty"`
	Capture  string    `json:"capture,omitempty"` // of the exchange, with its keys; relative to the report
	Replay   string    `json:"replay"`
	Explain  Explain   `json:"explain"`
}

// A Param is one param of an instance.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Control is the control twin and what became of it.
type Control struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict,omitempty"`
}

// A Row is one row of the table of reactions.
type Row struct {
	Grade    string `json:"grade"`
	Reaction string `json:"reaction"`
	Because  string `json:"because,omitempty"`
	Met      bool   `json:"met"` // the observation met this row
}

// A Diff is a field that is not what it must be.
type Diff struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"`
	Mask  string `json:"mask,omitempty"`
}

// An Attempt is one time that the instance ran.
type Attempt struct {
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason,omitempty"`
	Alone     bool   `json:"alone"`
	ElapsedUS int64  `json:"elapsed_us"`
}

// An Entry is one line of the timeline.
type Entry struct {
	AtUS   int64    `json:"at_us"`
	Conn   int      `json:"conn,omitempty"`
	Way    string   `json:"way"`
	Label  string   `json:"label,omitempty"`
	Bytes  string   `json:"bytes,omitempty"`  // as many as were kept
	Length int      `json:"length,omitempty"` // as many as there were
	Fields []Field  `json:"fields,omitempty"`
	Faults []string `json:"faults,omitempty"` // what is wrong with received bytes
}

// A Field names a range of an entry's bytes.
type Field struct {
	Name    string `json:"name"`
	Offset  int    `json:"offset"`
	Size    int    `json:"size"`
	Meaning string `json:"meaning,omitempty"`
	Opened  string `json:"opened,omitempty"` // the plaintext at this place, if the bytes are sealed
	Want    string `json:"want,omitempty"`
	Mask    string `json:"mask,omitempty"`
}

// Explain is what a person should know about a case that fails.
type Explain struct {
	Why         string   `json:"why"`
	Sends       string   `json:"sends"`
	UsualCauses []string `json:"usual_causes"`
}

// A Footer sums up, and lets a reader notice that something is missing.
type Footer struct {
	Cases        int            `json:"cases"`
	Requirements int            `json:"requirements"`
	Counts       map[string]int `json:"counts"` // judged cases by verdict
	Known        int            `json:"known"`
	Stale        []string       `json:"stale,omitempty"`
	Orphans      int            `json:"orphans"`
	ExitCode     int            `json:"exit_code"`
	Conclusion   string         `json:"conclusion"`
	Digest       string         `json:"digest"`  // of the verdicts: the same for the same verdicts
	Content      string         `json:"content"` // SHA-256 of header, requirements and cases
}
