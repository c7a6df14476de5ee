package token

import "sync"

// mostShared is how many bytes the tokens of one second take that are kept.
const mostShared = 2 << 20

// sharedTokens are the tokens that were signed in the present second. Who asks
// in it for the very same token gets the very same: everything that is in one
// is compared, but its ID. So a token says no more than one that was signed anew
// would, and is valid neither longer nor elsewhere; what a subject may do is
// found out before, for each request; and no token of a key is given out once
// another one signs.
type sharedTokens struct {
	mu     sync.Mutex
	signer *signer
	second int64
	// tokens are by their payload without an ID, and size is what all take.
	tokens map[string]string
	size   int
}

// find returns the token of a payload that was signed in the same second with
// the same key.
func (s *sharedTokens) find(by *signer, second int64, payload []byte) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != by || s.second != second {
		return "", false
	}
	token, ok := s.tokens[string(payload)]
	return token, ok
}

// keep is told of a token that was signed. What is older is forgotten.
func (s *sharedTokens) keep(by *signer, second int64, payload, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != by || s.second != second {
		if second < s.second {
			return // this one was late
		}
		s.signer, s.second = by, second
		if s.tokens == nil {
			s.tokens = make(map[string]string)
		}
		clear(s.tokens)
		s.size = 0
	}
	if size := len(payload) + len(token); s.size+size <= mostShared {
		s.tokens[payload] = token
		s.size += size
	}
}
