package registryclient

// textWeight is what a text takes beside its letters, in bytes.
const textWeight = 16

func (t Text) weight() int { return textWeight + len(t) }

func (a Annotations) weight() int {
	sum := 0
	for _, one := range a {
		sum += one.Key.weight() + one.Value.weight()
	}
	return sum
}

func (d Descriptor) weight() int {
	const fixed = 64
	sum := fixed + d.MediaType.weight() + d.ArtifactType.weight() + len(d.Digest) + d.Annotations.weight()
	if p := d.Platform; p != nil {
		sum += p.weight()
	}
	return sum
}

func (p Platform) weight() int {
	return p.OS.weight() + p.Architecture.weight() + p.Variant.weight() + p.OSVersion.weight()
}

// Weight is how many bytes of memory a manifest takes, about.
func (m *Manifest) Weight() int {
	sum := m.MediaType.weight() + m.ArtifactType.weight() + m.Config.weight() + m.Annotations.weight()
	if m.Subject != nil {
		sum += m.Subject.weight()
	}
	for _, one := range m.Layers {
		sum += one.weight()
	}
	for _, one := range m.Manifests {
		sum += one.weight()
	}
	return sum
}

// Weight is how many bytes of memory a configuration takes, about.
func (c *ImageConfig) Weight() int {
	sum := c.Platform.weight() + c.Author.weight() + c.Config.User.weight() + c.Config.WorkingDir.weight() +
		c.Config.ExposedPorts.weight() + c.Config.Labels.weight()
	for _, texts := range [...]list[Text]{c.Config.Entrypoint, c.Config.Cmd} {
		for _, text := range texts {
			sum += text.weight()
		}
	}
	return sum
}
