package importer

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// language is the set of names that a regular expression matches. Unlike
// package regexp it can be compared with others: see [exists].
//
// It is the automaton of the expression, made deterministic as far as it is
// walked.
type language struct {
	expression string
	prog       *syntax.Prog
	states     []langState
	index      map[string]int
	// classes maps each character to the first that the expression cannot tell
	// from it.
	classes [128]byte
}

// langState is a state of the automaton.
type langState struct {
	// pcs are the instructions to go on from, before what needs no character.
	pcs []uint32
	// prev is the character before, as far as ^, $ and \b care.
	prev rune
	// matched tells that the expression has matched already, so that whatever
	// follows is in the language.
	matched bool
	next    map[byte]int
}

// Bounds of what is computed. Beyond them a question has no answer, and
// everything goes on as if the answer were the less generous one.
const (
	maxExpression = 4 << 10
	maxProgram    = 2000
	maxStates     = 5000
	maxTuples     = 20000
)

// nobody is the language of no names.
const nobody = `[^\x00-\x{10FFFF}]`

// newLanguage compiles an expression in the syntax of package regexp. As there,
// it matches anywhere unless it is anchored.
func newLanguage(expression string) (*language, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("an expression of %d bytes is too long to be compared", len(expression))
	}
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxProgram {
		return nil, fmt.Errorf("the expression is too large to be compared")
	}
	l := &language{expression: expression, prog: prog, index: map[string]int{}}
	l.classify()
	l.state(langState{prev: -1})
	return l, nil
}

// classify finds the characters that make no difference.
func (l *language) classify() {
	first := map[string]byte{}
	signature := make([]byte, 0, len(l.prog.Inst)+1)
	for c := range l.classes {
		signature = signature[:0]
		for i := range l.prog.Inst {
			if inst := &l.prog.Inst[i]; isRune(inst.Op) {
				signature = append(signature, truth(inst.MatchRune(rune(c))))
			}
		}
		signature = append(signature, truth(syntax.IsWordChar(rune(c))), truth(c == '\n'))
		if _, known := first[string(signature)]; !known {
			first[string(signature)] = byte(c)
		}
		l.classes[c] = first[string(signature)]
	}
}

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func isRune(op syntax.InstOp) bool {
	return op == syntax.InstRune || op == syntax.InstRune1 || op == syntax.InstRuneAny || op == syntax.InstRuneAnyNotNL
}

// state returns the number of a state, or -1 when there are too many.
func (l *language) state(s langState) int {
	if s.matched {
		s.pcs, s.prev = nil, -1
	}
	key := make([]byte, 0, 4*len(s.pcs)+5)
	for _, pc := range s.pcs {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	key = append(key, truth(s.matched))
	key = binary.LittleEndian.AppendUint32(key, uint32(s.prev))
	if i, known := l.index[string(key)]; known {
		return i
	}
	if len(l.states) == maxStates {
		return -1
	}
	s.next = map[byte]int{}
	l.states = append(l.states, s)
	l.index[string(key)] = len(l.states) - 1
	return len(l.states) - 1
}

// closure follows what needs no character, between the character before and
// the next one, -1 at the end.
func (l *language) closure(s *langState, next rune) (runes []uint32, matched bool) {
	flags := syntax.EmptyOpContext(s.prev, next)
	seen := make([]bool, len(l.prog.Inst))
	var follow func(pc uint32)
	follow = func(pc uint32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		switch inst := &l.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			follow(inst.Out)
			follow(inst.Arg)
		case syntax.InstNop, syntax.InstCapture:
			follow(inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				follow(inst.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstFail:
		default:
			runes = append(runes, pc)
		}
	}
	for _, pc := range s.pcs {
		follow(pc)
	}
	follow(uint32(l.prog.Start)) // a match may begin anywhere
	return runes, matched
}

// step is the state after one more character, or -1 when there are too many.
func (l *language) step(from int, c byte) int {
	if l.states[from].matched {
		return from
	}
	c = l.classes[c]
	if to, known := l.states[from].next[c]; known {
		return to
	}
	runes, matched := l.closure(&l.states[from], rune(c))
	next := langState{matched: matched, prev: '.'}
	if syntax.IsWordChar(rune(c)) {
		next.prev = 'a'
	}
	if !matched {
		for _, pc := range runes {
			if inst := &l.prog.Inst[pc]; inst.MatchRune(rune(c)) {
				next.pcs = append(next.pcs, inst.Out)
			}
		}
		slices.Sort(next.pcs)
		next.pcs = slices.Compact(next.pcs)
	}
	to := l.state(next)
	l.states[from].next[c] = to
	return to
}

// accepts reports whether a name that ends in a state is in the language.
func (l *language) accepts(state int) bool {
	s := &l.states[state]
	if s.matched {
		return true
	}
	_, matched := l.closure(s, -1)
	return matched
}

// exists looks for the shortest name out of some characters of which want says
// yes, given which of the languages it is in. Without one it returns false;
// sure is false when it did not look at everything.
func exists(alphabet string, want func(in []bool) bool, languages ...*language) (name string, found, sure bool) {
	type node struct {
		parent int
		via    byte
		states []int
	}
	characters := distinct(alphabet, languages)
	key := func(states []int) string {
		var k []byte
		for _, s := range states {
			k = binary.LittleEndian.AppendUint16(k, uint16(s))
		}
		return string(k)
	}
	nodes := []node{{parent: -1, states: make([]int, len(languages))}}
	seen := map[string]bool{key(nodes[0].states): true}
	in := make([]bool, len(languages))
	sure = true
	for i := 0; i < len(nodes); i++ {
		for j, l := range languages {
			in[j] = l.accepts(nodes[i].states[j])
		}
		if want(in) {
			var reversed []byte
			for at := i; nodes[at].parent >= 0; at = nodes[at].parent {
				reversed = append(reversed, nodes[at].via)
			}
			slices.Reverse(reversed)
			return string(reversed), true, true
		}
		for _, c := range characters {
			states := make([]int, len(languages))
			var lost bool
			for j, l := range languages {
				states[j] = l.step(nodes[i].states[j], c)
				lost = lost || states[j] < 0
			}
			if lost || len(nodes) == maxTuples {
				sure = false
				continue
			}
			if k := key(states); !seen[k] {
				seen[k] = true
				nodes = append(nodes, node{i, c, states})
			}
		}
	}
	return "", false, sure
}

// distinct leaves one of the characters that no language can tell apart.
func distinct(alphabet string, languages []*language) []byte {
	var characters []byte
	seen := map[string]bool{}
	signature := make([]byte, len(languages))
	for i := range len(alphabet) {
		for j, l := range languages {
			signature[j] = l.classes[alphabet[i]]
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			characters = append(characters, alphabet[i])
		}
	}
	return characters
}

// within reports whether every name of a, among those of all, is in b, and if
// not, gives one that is not. When it cannot tell, it reports false without one.
func within(alphabet string, all, a, b *language) (ok bool, example string) {
	name, found, sure := exists(alphabet, func(in []bool) bool { return in[0] && in[1] && !in[2] }, all, a, b)
	return !found && sure, name
}

// meets reports whether some name, among those of all, is in a and in b, and if
// so, gives one. When it cannot tell, it reports true without one.
func meets(alphabet string, all, a, b *language) (ok bool, example string) {
	name, found, sure := exists(alphabet, func(in []bool) bool { return in[0] && in[1] && in[2] }, all, a, b)
	return found || !sure, name
}

// globExpression translates a pattern of package path into an expression. A
// pattern outside the syntax matches nothing.
//
// exact is false where the expression matches more: package path does not try
// every way in which a class can take a slash.
func globExpression(glob string) (expression string, exact bool) {
	var text strings.Builder
	text.WriteString(`\A`)
	exact = true
	for len(glob) > 0 {
		c, rest := nextRune(glob)
		switch c {
		case "*":
			text.WriteString(`[^/]*`)
		case "?":
			text.WriteString(`[^/]`)
		case "[":
			class, slash, after, ok := globClass(rest)
			if !ok {
				return nobody, true
			}
			text.WriteString(class)
			exact = exact && !slash
			rest = after
		case `\`:
			if rest == "" {
				return nobody, true
			}
			c, rest = nextRune(rest)
			text.WriteString(quote(c))
		default:
			text.WriteString(quote(c))
		}
		glob = rest
	}
	return text.String() + `\z`, exact
}

// globClass translates what follows a [ of a pattern, and tells whether it
// takes a slash.
func globClass(glob string) (class string, slash bool, rest string, ok bool) {
	text := "["
	glob, negated := strings.CutPrefix(glob, "^")
	if negated {
		text = "[^"
	}
	for n := 0; ; n++ {
		if after, closed := strings.CutPrefix(glob, "]"); closed && n > 0 {
			return text + "]", slash != negated, after, true
		}
		var low, high string
		if low, glob, ok = globClassRune(glob); !ok {
			return "", false, "", false
		}
		high = low
		if after, ranged := strings.CutPrefix(glob, "-"); ranged {
			if high, glob, ok = globClassRune(after); !ok {
				return "", false, "", false
			}
		}
		from, to := firstRune(low), firstRune(high)
		if from > to {
			from, to = utf8.MaxRune, utf8.MaxRune // an empty range: no name has this
		}
		text += fmt.Sprintf(`\x{%x}-\x{%x}`, from, to)
		slash = slash || from <= '/' && '/' <= to
	}
}

func globClassRune(glob string) (c, rest string, ok bool) {
	if glob == "" || glob[0] == '-' || glob[0] == ']' {
		return "", "", false
	}
	if c, rest = nextRune(glob); c == `\` {
		if rest == "" {
			return "", "", false
		}
		c, rest = nextRune(rest)
	}
	return c, rest, rest != ""
}

// nextRune cuts the first character off.
func nextRune(s string) (c, rest string) {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size], s[size:]
}

func quote(c string) string { return regexp.QuoteMeta(c) }

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
