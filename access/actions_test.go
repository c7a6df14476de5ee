package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseActions(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   string
		want Actions
		text string
		list []string
		err  error
	}{
		{name: "pull", in: "pull", want: Pull, text: "pull", list: []string{"pull"}},
		{name: "push", in: "push", want: Push, text: "push", list: []string{"push"}},
		{name: "delete", in: "delete", want: Delete, text: "delete", list: []string{"delete"}},
		{name: "canonical order", in: "delete,push", want: Push | Delete, text: "push,delete", list: []string{"push", "delete"}},
		{name: "repeated", in: "pull,pull", want: Pull, text: "pull", list: []string{"pull"}},
		{name: "star", in: "*", want: All, text: "*", list: []string{"pull", "push", "delete"}},
		{name: "all by name", in: "push,pull,delete", want: All, text: "*", list: []string{"pull", "push", "delete"}},
		{name: "star and another", in: "pull,*", want: All, text: "*", list: []string{"pull", "push", "delete"}},
		{name: "none", in: "", err: ErrInvalidActions},
		{name: "unknown", in: "write", err: ErrInvalidActions},
		{name: "one unknown", in: "pull,write", err: ErrInvalidActions},
		{name: "upper case", in: "Pull", err: ErrInvalidActions},
		{name: "space", in: "pull, push", err: ErrInvalidActions},
		{name: "trailing comma", in: "pull,", err: ErrInvalidActions},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseActions(tc.in)
			require.Equal(t, tc.want, got, "ParseActions(%q)", tc.in)
			require.ErrorIs(t, err, tc.err, "ParseActions(%q) = %v", tc.in, got)
			if err != nil {
				return
			}
			assert.Equal(t, tc.text, got.String())
			assert.Equal(t, tc.list, got.List())
		})
	}
}

func TestImplied(t *testing.T) {
	for in, want := range map[Actions]Actions{
		0:             0,
		Pull:          Pull,
		Push:          Pull | Push,
		Delete:        Delete,
		Push | Delete: All,
		All:           All,
	} {
		got := in.Implied()
		assert.Equal(t, want, got, "(%v).Implied()", in)
	}
}

func TestNoActionsAreAnEmptyList(t *testing.T) {
	list := Actions(0).List()
	require.NotNil(t, list, "want an empty list that is not nil")
	assert.Empty(t, list, "want an empty list that is not nil")
}
