package pki

// Check says what a ring of these options, and of these files unless they are
// nil, would be refused for, as far as that does not take a look at its store:
// nothing is made or changed.
func Check(files *Files, options Options) error {
	options, err := options.withDefaults()
	if err != nil || files == nil {
		return err
	}
	r := &Ring{store: new(MemoryStore), options: options, files: files}
	return r.loadFirst()
}
