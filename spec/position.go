package spec

import (
	"bytes"
	"encoding/json"
)

// lineOf returns the line, from 1, of the byte before offset.
func lineOf(data []byte, offset int64) int {
	end := min(max(int(offset)-1, 0), len(data))
	return bytes.Count(data[:end], []byte("\n")) + 1
}

// repeatedKey returns the first key that an object holds twice, with the offset
// behind it, or "" if there is none. Broken JSON is left to the decoder.
func repeatedKey(data []byte) (int64, string) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool // keys of each open object, nil for an array
	var key bool               // the next string in the innermost object is a key
	for {
		token, err := decoder.Token()
		if err != nil {
			return 0, ""
		}
		switch token {
		case json.Delim('{'):
			open, key = append(open, map[string]bool{}), true
			continue
		case json.Delim('['):
			open, key = append(open, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if name, ok := token.(string); ok && key {
				keys := open[len(open)-1]
				if keys[name] {
					return decoder.InputOffset(), name
				}
				keys[name], key = true, false
				continue
			}
		}
		// A value has ended: in an object a key comes next.
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}
