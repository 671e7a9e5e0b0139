// Package runtime has what bindings need of memory and handles. It has the names of the module that wit-bindgen
// refers to.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is a resource of another component, until it is given away.
type Handle struct{ value int32 }

// MakeHandle returns a handle of a number, which is not 0.
func MakeHandle(value int32) *Handle {
	handle := &Handle{}
	handle.Set(value)
	return handle
}

// Set gives an empty handle its number.
func (handle *Handle) Set(value int32) {
	if value == 0 || handle.value != 0 {
		panic("a handle is set once, and not to 0")
	}
	handle.value = value
}

// Use returns the number. It panics if the handle was given away.
func (handle *Handle) Use() int32 {
	if handle.value == 0 {
		panic("the handle was given away")
	}
	return handle.value
}

// Take returns the number, and gives the handle away.
func (handle *Handle) Take() int32 {
	value := handle.Use()
	handle.value = 0
	return value
}

// TakeOrNil returns the number, or 0 if the handle was given away.
func (handle *Handle) TakeOrNil() int32 {
	value := handle.value
	handle.value = 0
	return value
}

// Allocate returns memory that stays where it is for as long as the pinner holds it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// The largest alignment of the component model is 8, and memory of these is aligned to it.
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

// Memory that the host has asked for in the call under way.
var arguments runtime.Pinner

// Unpin lets go of the arguments of a call.
func Unpin() { arguments.Unpin() }

// Before Go has started, memory comes from the system and is kept.
var hasStarted = false

func init() { hasStarted = true }

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("memory of arguments does not grow")
	}
	if hasStarted {
		return Allocate(&arguments, size, align)
	}
	memory := sbrk(size + align)
	return unsafe.Add(memory, -uintptr(memory)&(align-1))
}
