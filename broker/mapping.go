package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"

	"github.com/signet-broker/signet/providers"
)

// What an expression may be and cost. The claims it runs on come from an upstream and may be made to hurt:
// a loop over a list in a loop over the same list is stopped after some ten milliseconds.
const (
	maxSource     = 4 << 10         // bytes
	maxNodes      = 1000            // of the syntax tree
	maxCost       = 400_000         // enough to filter the largest list of groups
	maxTime       = 2 * time.Second // for what costs more than is counted
	interruptEach = 100             // loop turns between two looks at the context
	maxKeysNamed  = 40
)

// Mapping turns a provider's claims into attributes. It is used by many goroutines at once.
type Mapping struct {
	rules []rule // sorted by attribute
	plain bool   // CEL is needed for none of them, as a rule
}

// rule is one attribute and the expression that gives it.
type rule struct {
	attribute string
	source    string
	program   cel.Program
	path      []string // of a plain selection like claims.address.country, read without CEL; else nil
	read      func(any) (any, error)
}

// MappingFault is one expression that cannot be used.
type MappingFault struct {
	Key     string // below map: "email", or "attributes.department"
	Problem string
}

// MappingFaults is everything that is wrong with a mapping.
type MappingFaults []MappingFault

func (f MappingFaults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = "map." + one.Key + ": " + one.Problem
	}
	return strings.Join(lines, "\n")
}

// NewMapping compiles a mapping. exprs has a CEL expression over `claims` for each standard attribute, extra
// one for each attribute of the operator's own. The language is CEL with its standard library, the strings
// extension and optional values (claims.?x). The error is MappingFaults.
func NewMapping(exprs, extra map[string]string) (*Mapping, error) {
	env, err := mappingEnv()
	if err != nil {
		return nil, err
	}
	m := &Mapping{}
	var faults MappingFaults
	add := func(key, attribute, source string, shape shape, problem string) {
		r := rule{attribute: attribute, source: source, read: shape.read}
		if problem == "" {
			problem = r.compile(env, shape)
		}
		if problem != "" {
			faults = append(faults, MappingFault{key, problem})
		}
		m.rules = append(m.rules, r)
	}
	for _, name := range slices.Sorted(maps.Keys(exprs)) {
		shape, known := standardAttributes[name]
		problem := ""
		if !known {
			problem = "is no standard attribute; put your own ones below attributes"
		}
		add(name, name, exprs[name], shape, problem)
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		add("attributes."+name, name, extra[name], shape{anything, readExtra}, reservedName(name))
	}
	if faults != nil {
		return nil, faults
	}
	slices.SortFunc(m.rules, func(a, b rule) int { return strings.Compare(a.attribute, b.attribute) })
	m.plain = !slices.ContainsFunc(m.rules, func(r rule) bool { return r.path == nil })
	return m, nil
}

// mappingEnv is the one environment of all mappings; making it costs as much as many compilations.
var mappingEnv = sync.OnceValues(func() (*cel.Env, error) {
	env, err := cel.NewEnv(
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.OptionalTypes(),
		ext.Strings(),
		cel.ParserExpressionSizeLimit(maxSource),
		cel.ExpressionNodeLimit(maxNodes),
	)
	if err != nil {
		return nil, fmt.Errorf("make CEL environment: %w", err)
	}
	return env, nil
})

// compile fills the rule and returns what is wrong, "" for nothing.
func (r *rule) compile(env *cel.Env, s shape) string {
	if strings.TrimSpace(r.source) == "" {
		return "is empty; leave the key out, or write \"null\" for no such attribute"
	}
	if len(r.source) > maxSource {
		return fmt.Sprintf("has %d bytes, more than %d", len(r.source), maxSource)
	}
	checked, issues := env.Compile(r.source)
	if issues.Err() != nil {
		return compileProblem(issues)
	}
	if t := checked.OutputType(); !s.takes(t) {
		return fmt.Sprintf("gives a %s, want a %s", typeName(t), s.want)
	}
	program, err := env.Program(checked,
		cel.EvalOptions(cel.OptOptimize),
		cel.CostTracking(searchCost{}),
		cel.CostLimit(maxCost),
		cel.InterruptCheckFrequency(interruptEach),
	)
	if err != nil {
		return "cannot be used: " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	r.program = program
	r.path = plainPath(checked.NativeRep().Expr())
	return ""
}

// searchCost makes `in` cost what it takes: CEL counts one for a search of a list of any length.
type searchCost struct{}

func (searchCost) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if function != operators.In || len(args) != 2 {
		return nil
	}
	list, ok := args[1].(traits.Lister)
	if !ok {
		return nil
	}
	n, ok := list.Size().(types.Int)
	if !ok {
		return nil
	}
	cost := 1 + uint64(n) //nolint:gosec // a size is never negative
	return &cost
}

// compileProblem is CEL's first complaint in one line, with its position.
func compileProblem(issues *cel.Issues) string {
	e := issues.Errors()[0]
	text, _, _ := strings.Cut(e.Message, "\n")
	text = strings.TrimPrefix(text, "Syntax error: ")
	if strings.HasPrefix(text, "undeclared reference") {
		text = strings.TrimSuffix(text, " (in container '')") + "; the one variable is claims"
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, text)
}

// plainPath returns the keys of an expression that only selects, like claims.a.b or claims["a"].?b. What is
// absent is absent, optional or not.
func plainPath(e ast.Expr) []string {
	switch e.Kind() {
	case ast.IdentKind:
		if e.AsIdent() == "claims" {
			return []string{}
		}
	case ast.SelectKind:
		s := e.AsSelect()
		if path := plainPath(s.Operand()); path != nil && !s.IsTestOnly() {
			return append(path, s.FieldName())
		}
	case ast.CallKind:
		c := e.AsCall()
		optional := c.FunctionName() == operators.OptSelect || c.FunctionName() == operators.OptIndex
		if !optional && c.FunctionName() != operators.Index || c.Args()[1].Kind() != ast.LiteralKind {
			return nil
		}
		key, isString := c.Args()[1].AsLiteral().(types.String)
		if path := plainPath(c.Args()[0]); path != nil && isString {
			return append(path, string(key))
		}
	}
	return nil
}

// Apply returns the attributes that claims give; those that are absent, null or empty are left out, and so
// is one whose expression asks for a claim that is not there. claims has JSON types only and is not kept.
// Whatever else goes wrong is an *Error of kind Invalid: email_malformed for an address that is none, and
// mapping_failed, which names the expression and the claims that were there, never their values.
func (m *Mapping) Apply(ctx context.Context, claims map[string]any) (Attributes, error) {
	attributes := make(Attributes, len(m.rules))
	vars := map[string]any{"claims": claims}
	if !m.plain {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, maxTime, errTooLong)
		defer stop()
	}
	for i := range m.rules {
		r := &m.rules[i]
		value, err := r.evaluate(ctx, claims, vars)
		if err == nil && value != nil {
			value, err = r.read(value)
		}
		if refusal := (*Error)(nil); errors.As(err, &refusal) {
			return nil, refusal
		}
		if err != nil {
			return nil, providers.Refuse("mapping_failed", "map %s: %q: %w; the claims are %s",
				r.attribute, r.source, err, keyNames(claims))
		}
		if value != nil {
			attributes[r.attribute] = value
		}
	}
	// Nothing is verified where there is nothing.
	if attributes["email"] == nil {
		delete(attributes, "email_verified")
	}
	if attributes["phone_number"] == nil {
		delete(attributes, "phone_number_verified")
	}
	return attributes, nil
}

// evaluate returns a value of Go's JSON types; nil is absent.
func (r *rule) evaluate(ctx context.Context, claims, vars map[string]any) (any, error) {
	if r.path != nil {
		if value, plain := selectPath(claims, r.path); plain {
			return value, nil
		}
	}
	out, _, err := r.program.ContextEval(ctx, vars)
	if err == nil {
		return nativeValue(out)
	}
	if strings.HasPrefix(err.Error(), "no such key: ") {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, errors.New(evalProblem(err.Error()))
}

var errTooLong = errors.New("takes too long for these claims")

// selectPath does what CEL does for a selection, some twenty times as fast. plain is false where CEL has to
// decide, because what is selected from is no JSON object.
func selectPath(claims map[string]any, path []string) (value any, plain bool) {
	value = claims
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok {
			return nil, true
		}
	}
	switch value.(type) {
	case nil, string, bool, float64, []any, []string, map[string]any:
		return value, true
	}
	return nil, false
}

// evalProblem says what went wrong in words of its own: CEL's message may hold the value of a claim.
func evalProblem(message string) string {
	for _, known := range []struct{ part, problem string }{
		{"cost limit exceeded", errTooLong.Error()},
		{"no such overload", "an operation does not fit the type of a claim"},
		{"unsupported conversion", "a value of this type cannot be used"},
		{"index out of bounds", "a list is too short"},
		{"invalid_argument", "an argument does not fit"},
		{"by zero", "division by zero"},
		{"overflow", "a number is too large"},
		{"conversion error", "a value cannot be converted"},
	} {
		if strings.Contains(message, known.part) {
			return known.problem
		}
	}
	return "cannot be evaluated for these claims"
}

func keyNames(claims map[string]any) string {
	names := slices.Sorted(maps.Keys(claims))
	more := ""
	if len(names) > maxKeysNamed {
		more = fmt.Sprintf(" and %d more", len(names)-maxKeysNamed)
		names = names[:maxKeysNamed]
	}
	return fmt.Sprintf("%q", names) + more
}
