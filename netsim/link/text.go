package link

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/bpci/xtmp/netsim/vtime"
)

// shapeWords name the shapes; the quantiles of a measured one follow its word.
var shapeWords = []string{"uniform", "normal", "pareto", "measured"}

// String writes the impairment as ParseImpairment reads it.
func (i Impairment) String() string {
	if words := i.words(); len(words) > 0 {
		return strings.Join(words, " ")
	}
	return "ideal"
}

func (i *Impairment) words() (words []string) {
	put := func(show bool, w ...string) {
		if show {
			words = append(words, w...)
		}
	}
	put(i.Delay > 0, "delay", i.Delay.String())
	put(i.Jitter > 0, "jitter", i.Jitter.String())
	put(i.Shape != Uniform, shapeWords[i.Shape])
	if i.Shape == Measured {
		put(true, joined(i.Quantiles))
	}
	number := func(word string, n ...int) {
		if slices.Max(n) > 0 {
			put(true, word)
			for _, n := range n {
				put(true, strconv.Itoa(n))
			}
		}
	}
	number("correlation", i.Correlation)
	put(i.InOrder, "inorder")
	number("loss", i.Loss)
	number("gilbert", i.Gilbert.Enter, i.Gilbert.Leave, i.Gilbert.Bad, i.Gilbert.Good)
	number("four", i.Four.P13, i.Four.P31, i.Four.P32, i.Four.P23, i.Four.P14)
	number("duplicate", i.Duplicate)
	number("corrupt", i.Corrupt)
	number("reorder", i.Reorder)
	number("gap", i.Gap)
	number("mtu", i.MTU)
	put(i.Rate > 0, "rate", strconv.FormatInt(i.Rate, 10))
	number("queue", i.Queue)
	put(i.CoDel != CoDel{}, "codel", i.CoDel.Target.String(), i.CoDel.Interval.String())
	put(i.SlotEvery > 0 || i.SlotPackets > 0, "slot", i.SlotEvery.String(), strconv.Itoa(i.SlotPackets))
	return words
}

func joined(quantiles []int32) string {
	var b []byte
	for n, q := range quantiles {
		if n > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(q), 10)
	}
	return string(b)
}

// ParseImpairment reads the words of String, in any order, and validates.
func ParseImpairment(words []string) (Impairment, error) {
	r := reader{words: words}
	var i Impairment
	for len(r.words) > 0 && r.err == nil {
		i.read(&r, r.word())
	}
	if r.err == nil {
		r.err = i.Validate()
	}
	return i, r.err
}

// read reads what follows one word.
func (i *Impairment) read(r *reader, word string) {
	if shape := slices.Index(shapeWords, word); shape >= 0 {
		if i.Shape = Distribution(shape); i.Shape == Measured {
			i.Quantiles = r.list()
		}
		return
	}
	switch word {
	case "ideal":
	case "delay":
		i.Delay = r.time()
	case "jitter":
		i.Jitter = r.time()
	case "correlation":
		i.Correlation = r.number()
	case "inorder":
		i.InOrder = true
	case "loss":
		i.Loss = r.number()
	case "gilbert":
		i.Gilbert = Gilbert{r.number(), r.number(), r.number(), r.number()}
	case "four":
		i.Four = Four{r.number(), r.number(), r.number(), r.number(), r.number()}
	case "duplicate":
		i.Duplicate = r.number()
	case "corrupt":
		i.Corrupt = r.number()
	case "reorder":
		i.Reorder = r.number()
	case "gap":
		i.Gap = r.number()
	case "mtu":
		i.MTU = r.number()
	case "rate":
		i.Rate = r.integer(64)
	case "queue":
		i.Queue = r.number()
	case "codel":
		i.CoDel = CoDel{r.time(), r.time()}
	case "slot":
		i.SlotEvery, i.SlotPackets = r.time(), r.number()
	default:
		r.fail("a link has no word " + strconv.Quote(word))
	}
}

// reader takes words one by one and keeps the first error.
type reader struct {
	words []string
	err   error
}

func (r *reader) fail(text string) {
	if r.err == nil {
		r.err = errors.New(text)
	}
}

func (r *reader) word() string {
	if len(r.words) == 0 {
		r.fail("a number or a time is missing at the end")
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

func (r *reader) time() vtime.Time {
	w := r.word()
	t, err := vtime.Parse(w)
	if err != nil {
		r.fail(strconv.Quote(w) + ": " + err.Error())
	}
	return t
}

func (r *reader) integer(bits int) int64 {
	w := r.word()
	n, err := strconv.ParseInt(w, 10, bits)
	if err != nil {
		r.fail(strconv.Quote(w) + " is not a whole number")
	}
	return n
}

func (r *reader) number() int { return int(r.integer(32)) }

func (r *reader) list() (list []int32) {
	w := r.word()
	for part := range strings.SplitSeq(w, ",") {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			r.fail(strconv.Quote(w) + " is not a list of whole numbers")
		}
		list = append(list, int32(n))
	}
	return list
}
