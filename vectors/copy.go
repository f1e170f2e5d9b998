package vectors

import (
	"fmt"
	"io/fs"
)

// Copy hands every file of the package to create, with its slash-separated path:
// what `vectors copy` writes to a directory. os.CopyFS(dir, Files()) does the same.
func Copy(create func(name string, content []byte) error) error {
	return fs.WalkDir(embedded, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(embedded, name)
		if err != nil {
			return fmt.Errorf("vectors: %w", err)
		}
		return create(name, content)
	})
}
