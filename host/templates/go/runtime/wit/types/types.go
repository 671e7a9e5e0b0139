// Package types has the types of WIT that Go lacks. It has the names of the module that wit-bindgen refers to.
package types

const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Unit is a type without a value.
type Unit struct{}

// Option is a value, or none.
type Option[T any] struct {
	value  T
	isSome bool
}

// None returns an option without a value.
func None[T any]() Option[T] { return Option[T]{} }

// Some returns an option with a value.
func Some[T any](value T) Option[T] { return Option[T]{value, true} }

// Tag returns OptionSome or OptionNone.
func (option Option[T]) Tag() uint8 {
	if option.isSome {
		return OptionSome
	}
	return OptionNone
}

// IsSome returns whether there is a value.
func (option Option[T]) IsSome() bool { return option.isSome }

// IsNone returns whether there is no value.
func (option Option[T]) IsNone() bool { return !option.isSome }

// Some returns the value. It panics if there is none.
func (option Option[T]) Some() T {
	if !option.isSome {
		panic("the option has no value")
	}
	return option.value
}

// SomeOr returns the value, or another one if there is none.
func (option Option[T]) SomeOr(other T) T {
	if option.isSome {
		return option.value
	}
	return other
}

// Result is a value, or an error.
type Result[T any, E any] struct {
	value T
	err   E
	isErr bool
}

// Ok returns a result with a value.
func Ok[T any, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err returns a result with an error.
func Err[T any, E any](err E) Result[T, E] { return Result[T, E]{err: err, isErr: true} }

// Tag returns ResultOk or ResultErr.
func (result Result[T, E]) Tag() uint8 {
	if result.isErr {
		return ResultErr
	}
	return ResultOk
}

// IsOk returns whether there is a value.
func (result Result[T, E]) IsOk() bool { return !result.isErr }

// IsErr returns whether there is an error.
func (result Result[T, E]) IsErr() bool { return result.isErr }

// Ok returns the value. It panics if there is an error.
func (result Result[T, E]) Ok() T {
	if result.isErr {
		panic("the result is an error")
	}
	return result.value
}

// Err returns the error. It panics if there is none.
func (result Result[T, E]) Err() E {
	if !result.isErr {
		panic("the result is no error")
	}
	return result.err
}
