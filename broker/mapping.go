package broker

// Mapping turns a provider's claims into attributes.
type Mapping struct{}
