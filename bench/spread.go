package main

import (
	"fmt"
	"slices"
)

// spread is many measurements of one thing.
type spread []float64

// at returns a quantile, 0 to 1; 0 of nothing.
func (s spread) at(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[int(q*float64(len(sorted)-1)+.5)]
}

// String is the median, and between what the middle half of all lies.
func (s spread) String() string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", s.at(.5), s.at(.25), s.at(.75))
}

// over divides each by the one that was measured beside it.
func (s spread) over(beside spread) spread {
	all := make(spread, min(len(s), len(beside)))
	for n := range all {
		if beside[n] > 0 {
			all[n] = s[n] / beside[n]
		}
	}
	return all
}

func (s spread) sum() (total float64) {
	for _, v := range s {
		total += v
	}
	return total
}

// mostChange is how much what should change nothing may change: both ways for CPU, upwards for times.
const mostChange = 0.10
