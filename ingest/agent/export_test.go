package agent

// ParseCold parses without the memory.
func ParseCold(p *Parser, header string) Agent { return p.parse(header) }
