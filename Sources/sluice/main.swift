import Platform

// A named function: a closure at top level would be bound to the main actor.
runProcess()
