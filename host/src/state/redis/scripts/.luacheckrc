-- Lua as Redis runs it: version 5.1, with the libraries and variables that Redis adds.
std = 'lua51'
read_globals = {'redis', 'cmsgpack', 'struct', 'bit', 'KEYS', 'ARGV'}
max_line_length = 120
-- All keys are named together, whichever of them a script uses.
unused_secondaries = false
