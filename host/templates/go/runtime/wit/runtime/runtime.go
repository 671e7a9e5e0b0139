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

// Unpin lets go of what a call was given. Nothing has to be done: memory from the host is kept until the call ends.
func Unpin() {}

// Memory for the host comes from the system and not from Go: while the host writes arguments, no function of the system
// may be called, and Go calls some when it collects its own memory.
var chunk unsafe.Pointer
var room uintptr

// The size of a chunk.
const chunkSize = 64 << 10

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	padding := -uintptr(chunk) & (align - 1)
	if padding+size > room {
		room = (size + chunkSize - 1) &^ (chunkSize - 1)
		chunk = sbrk(room)
		if chunk == nil {
			panic("out of memory")
		}
		padding = 0
	}
	memory := unsafe.Add(chunk, padding)
	chunk, room = unsafe.Add(memory, size), room-padding-size
	copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), min(oldSize, size)))
	return memory
}
