package idptest

// Row is one input of the catalogue of attacks: what it is and how it must be answered.
type Row struct {
	ID, Name string
	Control  bool   // an honest input, which must be accepted
	Reason   string // the reason of the refusal, as in providers.Error; "" for controls
	Status   int    // the HTTP status of the refusal; 0 is 400
}
