package spec

import "io/fs"

// Chapter is one Markdown file of the text.
type Chapter struct {
	File     string // "05-handshake.md"
	Title    string // its first heading
	Sections []Section
}

// Section is one heading of a chapter.
type Section struct {
	Title  string
	Anchor string // GitHub's slug, unique in the file
	Level  int    // 1 for the title
	Line   int
}

// indexFile lists the chapters; it is itself no chapter.
const indexFile = "README.md"

// loadDocuments parses every Markdown file at the root of the tree, in the order
// of their names.
func loadDocuments(fsys fs.FS) ([]document, error) {
	names, err := fs.Glob(fsys, "*.md")
	if err != nil {
		return nil, &LoadError{File: ".", Err: err}
	}
	var documents []document
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, &LoadError{File: name, Err: err}
		}
		documents = append(documents, parseDocument(name, string(data)))
	}
	return documents, nil
}

func chaptersOf(documents []document) []Chapter {
	var chapters []Chapter
	for _, doc := range documents {
		if doc.file != indexFile {
			chapters = append(chapters, Chapter{File: doc.file, Title: doc.title(), Sections: doc.sections})
		}
	}
	return chapters
}
