package agent

import "strings"

// ParseCold parses without the memory.
func ParseCold(p *Parser, header string) Agent { return p.parse(header) }

// BotCold judges without the memory.
func BotCold(p *Parser, header string) Bot {
	f := p.marks.find(header)
	return p.bot(header, strings.ToLower(header), &f)
}
