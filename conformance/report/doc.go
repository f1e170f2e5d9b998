// Package report renders what a run of the judge found.
//
//	Outcome + Conclusion + About ──New──▶ Document ──▶ JSON   (canonical, Read verifies it)
//	                                         │────▶ JUnit
//	                                         │────▶ Text   (terminal)
//	                                         └────▶ HTML   (one page, nothing external)
//	Result.Traffic ──WriteCapture──▶ pcapng with keys, which the document names
//
// The Document is the whole truth: every other form is made from it alone, so
// that a report can be rendered again long after the run. Its JSON is described
// by report.schema.json.
//
// The package judges nothing and keeps no state between reports.
package report
