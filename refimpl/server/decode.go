package server

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder fills a File from the syntax tree of a configuration and remembers
// where each value stands. It takes a plain subset of YAML: blocks, lists and
// scalars that are exactly of the type of their key. A library that converts
// would read 1.5 as 1, 010 as 8, and the first of two documents.
type decoder struct {
	file string
	text []byte
	at   map[string]*token.Token // by path, "limits.half_open"
	err  error                   // the first mistake
}

// decode parses text into f.
func decode(file string, text []byte, f *File) (*decoder, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := &decoder{file: file, text: text, at: map[string]*token.Token{}}
	if !utf8.Valid(text) {
		return nil, &FileError{File: file, Reason: "the configuration is not UTF-8 text"}
	}
	tree, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var located yaml.Error
		if errors.As(err, &located) {
			why := located.GetMessage()
			if strings.Contains(why, "'\t'") {
				why = "a tab: YAML is indented with spaces"
			}
			return nil, fault(file, text, located.GetToken(), why)
		}
		return nil, &FileError{File: file, Reason: err.Error()}
	}
	documents := 0
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		if documents++; documents > 1 {
			return nil, fault(file, text, doc.Start, "a second document: a configuration is one")
		}
		d.value(doc.Body, reflect.ValueOf(f).Elem(), "")
	}
	return d, d.err
}

// fail notes a mistake at a token, if it is the first.
func (d *decoder) fail(at *token.Token, why string) {
	if d.err == nil {
		d.err = fault(d.file, d.text, at, why)
	}
}

// value reads a node into a block, a list or, through a pointer that stays nil
// for an absent or empty value, a scalar.
func (d *decoder) value(n ast.Node, into reflect.Value, path string) {
	if n.Type() == ast.NullType {
		return
	}
	d.at[path] = n.GetToken()
	switch into.Kind() {
	case reflect.Struct:
		d.block(n, into, path)
	case reflect.Slice:
		d.list(n, into, path)
	default:
		scalar := reflect.New(into.Type().Elem())
		if d.scalar(n, scalar.Elem()) {
			into.Set(scalar)
		}
	}
}

func (d *decoder) block(n ast.Node, into reflect.Value, path string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.fail(n.GetToken(), "expected a block of keys")
		return
	}
	seen := map[string]int{}
	for _, entry := range m.Values {
		at := entry.Key.GetToken()
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			d.fail(at, "expected a key; aliases, merges and tags have no place here")
			return
		}
		if line, twice := seen[key.Value]; twice {
			d.fail(at, fmt.Sprintf("%s is set twice, first in line %d: remove one", key.Value, line))
			return
		}
		seen[key.Value] = at.Position.Line
		field, names := fieldOf(into, key.Value)
		if !field.IsValid() {
			d.fail(at, unknown(path, key.Value, names))
			return
		}
		d.value(entry.Value, field, strings.TrimPrefix(path+"."+key.Value, "."))
	}
}

// fieldOf returns the field of a block that key names, and all names.
func fieldOf(block reflect.Value, key string) (field reflect.Value, names []string) {
	for i := range block.NumField() {
		name := block.Type().Field(i).Tag.Get("yaml")
		names = append(names, name)
		if name == key {
			field = block.Field(i)
		}
	}
	return field, names
}

func unknown(path, key string, names []string) string {
	if path == "" {
		return fmt.Sprintf("there is no block %s: the blocks are %s", key, strings.Join(names, ", "))
	}
	return fmt.Sprintf("%s has no key %s: its keys are %s", path, key, strings.Join(names, ", "))
}

func (d *decoder) list(n ast.Node, into reflect.Value, path string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n.GetToken(), "expected a list")
		return
	}
	for i, v := range s.Values {
		item := reflect.New(into.Type().Elem()).Elem()
		d.at[path+"."+strconv.Itoa(i)] = v.GetToken()
		if !d.scalar(v, item) {
			return
		}
		into.Set(reflect.Append(into, item))
	}
}

// decimal is a whole number as people write it: no octal, no underscore.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// scalar reads a node of exactly the type of into.
func (d *decoder) scalar(n ast.Node, into reflect.Value) bool {
	switch into.Kind() {
	case reflect.Int:
		at := n.GetToken()
		v, err := strconv.Atoi(at.Value)
		switch {
		case at.Type == token.SingleQuoteType || at.Type == token.DoubleQuoteType || !decimal.MatchString(at.Value):
			d.fail(at, "expected a whole number")
			return false
		case err != nil:
			d.fail(at, at.Value+" is too large")
			return false
		}
		into.SetInt(int64(v))
	case reflect.Bool:
		v, ok := n.(*ast.BoolNode)
		if !ok {
			d.fail(n.GetToken(), "expected true or false")
			return false
		}
		into.SetBool(v.Value)
	default:
		v, ok := n.(*ast.StringNode)
		if !ok || v.Value == "" {
			d.fail(n.GetToken(), "expected text")
			return false
		}
		into.SetString(v.Value)
	}
	return true
}
