package templates

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

// Lang is a language that the pages are written in, as a BCP 47 tag: what the html element's lang says.
type Lang string

// languages are those of messages/, the first one being for everybody else.
var languages = []language.Tag{language.English, language.German}

// What a request may say about languages is bounded before it is parsed.
const (
	maxAccept  = 200 // bytes of Accept-Language
	maxLocales = 10
	maxLocale  = 35 // bytes: the longest tag that RFC 5646 §4.4.1 asks to expect
)

// Language chooses the language of a person's pages: the best of uiLocales (BCP 47 tags, best first: OpenID
// Connect Core §3.1.2.1 ui_locales), otherwise of the Accept-Language header, otherwise the first language.
// Both may hold anything.
func (p *Pages) Language(uiLocales []string, acceptLanguage string) Lang {
	var wanted []language.Tag
	for i, l := range uiLocales {
		if i == maxLocales {
			break
		}
		if len(l) > maxLocale {
			continue
		}
		if tag, err := language.Parse(l); err == nil {
			wanted = append(wanted, tag)
		}
	}
	if lang, ok := p.words.match(wanted); ok {
		return lang
	}
	if len(acceptLanguage) > maxAccept {
		// The last entry is cut in the middle, and goes.
		acceptLanguage = acceptLanguage[:maxAccept]
		acceptLanguage = acceptLanguage[:max(strings.LastIndexByte(acceptLanguage, ','), 0)]
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		wanted = nil
	}
	lang, _ := p.words.match(wanted)
	return lang
}

// messages are the sentences of all languages.
type messages struct {
	matcher language.Matcher
	byLang  map[Lang]*catalog
}

// catalog holds one language. The localizer is asked only where a number chooses the form.
type catalog struct {
	single    map[string]string // messages with one form
	localizer *i18n.Localizer
}

func loadMessages(files fs.FS) (*messages, error) {
	bundle := i18n.NewBundle(languages[0])
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	m := &messages{matcher: language.NewMatcher(languages), byLang: map[Lang]*catalog{}}
	for _, tag := range languages {
		name := "messages/" + tag.String() + ".yaml"
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		file, err := bundle.ParseMessageFileBytes(raw, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c := &catalog{single: map[string]string{}}
		for _, msg := range file.Messages {
			if msg.One == "" {
				c.single[msg.ID] = msg.Other
			}
		}
		m.byLang[Lang(tag.String())] = c
	}
	for lang, c := range m.byLang {
		c.localizer = i18n.NewLocalizer(bundle, string(lang))
	}
	return m, nil
}

func (m *messages) match(wanted []language.Tag) (Lang, bool) {
	_, i, confidence := m.matcher.Match(wanted...)
	if confidence == language.No {
		return Lang(languages[0].String()), false
	}
	return Lang(languages[i].String()), true
}

// known returns lang, or the first language when there are no messages in it.
func (m *messages) known(lang Lang) Lang {
	if m.byLang[lang] == nil {
		return Lang(languages[0].String())
	}
	return lang
}

// text returns a message. args are the names and values of its placeholders, by turns; where the message
// has several forms, PluralCount chooses one.
func (m *messages) text(lang Lang, key string, args ...any) (string, error) {
	c := m.byLang[m.known(lang)]
	if s, ok := c.single[key]; ok {
		return fill(s, args)
	}
	return c.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: argument(args, "PluralCount")})
}

// fill puts values into a message, in one pass: what a value holds is never a placeholder.
func fill(message string, args []any) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(message, "{{.")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}}")
		value, ok := argument(args, name).(string)
		if !ok {
			return "", fmt.Errorf("message %q: no text for %s", message, name)
		}
		b.WriteString(value)
		message = after
	}
}

// argument returns the value after a name; only every other argument is a name.
func argument(args []any, name string) any {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return nil
}

// Languages returns the languages that the pages are written in, as BCP 47 tags.
func (p *Pages) Languages() []string {
	tags := make([]string, len(languages))
	for i, l := range languages {
		tags[i] = l.String()
	}
	return tags
}
