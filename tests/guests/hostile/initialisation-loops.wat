;; Initialised in two steps, as components with an adapter are: the second instance calls into the first, for ever.
(component
    (core module $first (func (export "initialize") (loop (br 0))))
    (core instance $first (instantiate $first))
    (core module $second
        (import "first" "initialize" (func $initialize))
        (start $initialize)
        (func (export "nothing")))
    (core instance $second (instantiate $second (with "first" (instance $first))))
    (func (export "run") (canon lift (core func $second "nothing")))
)
