package handlers

import (
	"net/url"
	"strings"
)

// parameters are those of a query or a form.
type parameters []parameter

type parameter struct{ name, value string }

// manyParameters is more than a client sends.
const manyParameters = 100

// parseParameters reads what [url.ParseQuery] reads, with its errors, into a
// list: of the few that there are, a list is found through faster than a map is
// made.
func parseParameters(text string) (parameters, error) {
	count := strings.Count(text, "&") + 1
	if count > manyParameters {
		return parametersOf(text)
	}
	all := make(parameters, 0, count)
	for rest := text; rest != ""; {
		var one string
		if one, rest, _ = strings.Cut(rest, "&"); one == "" {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		name, badName := url.QueryUnescape(name)
		value, badValue := url.QueryUnescape(value)
		if badName != nil || badValue != nil || strings.Contains(one, ";") {
			return parametersOf(text) // which says what is wrong
		}
		all = append(all, parameter{name, value})
	}
	return all, nil
}

func parametersOf(text string) (parameters, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	var all parameters
	for name, list := range values {
		for _, value := range list {
			all = append(all, parameter{name, value})
		}
	}
	return all, nil
}

// first is the first value of a parameter, empty without any.
func (p parameters) first(name string) string {
	for _, one := range p {
		if one.name == name {
			return one.value
		}
	}
	return ""
}

// count is how many times a parameter is given.
func (p parameters) count(name string) (times int) {
	for _, one := range p {
		if one.name == name {
			times++
		}
	}
	return times
}

// all are the values of a parameter, in the order in which they were sent.
func (p parameters) all(name string) []string {
	values := make([]string, 0, p.count(name))
	for _, one := range p {
		if one.name == name {
			values = append(values, one.value)
		}
	}
	return values
}
