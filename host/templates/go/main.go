// The component: its functions are in `export_my_task_words`, and called by what the build writes.
package main

import _ "task/bindings/wit_exports"

func main() {}
