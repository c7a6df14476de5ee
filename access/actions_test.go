package access

import (
	"errors"
	"slices"
	"testing"
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
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Fatalf("ParseActions(%q) = %v, %v; want %v, %v", tc.in, got, err, tc.want, tc.err)
			}
			if err != nil {
				return
			}
			if got.String() != tc.text {
				t.Errorf("String() = %q, want %q", got.String(), tc.text)
			}
			if !slices.Equal(got.List(), tc.list) {
				t.Errorf("List() = %q, want %q", got.List(), tc.list)
			}
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
		if got := in.Implied(); got != want {
			t.Errorf("(%v).Implied() = %v, want %v", in, got, want)
		}
	}
}

func TestNoActionsAreAnEmptyList(t *testing.T) {
	if list := Actions(0).List(); list == nil || len(list) != 0 {
		t.Errorf("List() = %#v, want an empty list that is not nil", list)
	}
}
