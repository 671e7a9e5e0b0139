-- The forms in which hosts and scripts exchange data, and in which it is stored: numbers, letters, bytes and bounds.
-- `run/formats.rs` and `run/wire.rs` have the same for hosts; a test holds them against this file.
local pack, unpack_bytes = struct.pack, struct.unpack

-- Phases of a node; the last three are final.
local WAITING, QUEUED, CLAIMED, DONE, DROPPED, BROKEN = 0, 1, 2, 3, 4, 5
-- Flags of a node.
local FLAG_TAINTED, FLAG_REPORTED, FLAG_LAPSED, FLAG_WAITED, FLAG_SPLIT = 1, 2, 4, 8, 16
-- Kinds of a task, which never change.
local KIND_WANTED, KIND_EACH, KIND_KEPT, KIND_SHARES, KIND_CLOSING = 1, 2, 4, 8, 16
-- Stages of a claim.
local IS_READY, IS_TAINTED, IS_EXPANDED, IS_CLOSING = 0, 1, 2, 3
-- Scopes of resources.
local OWN, SHARED, ELASTIC = 0, 1, 2
-- Settlements, and the answers to them.
local AS_DONE, AS_SKIPPED, AS_FAILED, AS_RETRY, AS_PASSED, AS_RELEASE, AS_AWAIT, AS_EXPAND =
  'D', 'S', 'F', 'R', 'P', 'B', 'A', 'E'
local COMMITTED, NOT_HELD = 'C', 'N'
-- Pending propagation: edges to follow, or stored elements to skip.
local EDGES_LEFT, ELEMENTS_LEFT = 0, 1

-- The record of a task. Its front changes: phase, flags, takeovers, open dependencies, attempt. The rest does not:
-- kind, unused, class, order, first edge, edges.
local RECORD, FRONT = '>BBHI4I4BBHI8I4I4', '>BBHI4I4'
local RECORD_BYTES, FRONT_BYTES = 32, 12
-- Records are read and written in pages, because tasks that run together lie together.
local PAGE, PAGE_BYTES = 32, 1024
-- A claim: task, element, stage, whether the element has a record, whether it has lapsed. The host follows.
local CLAIM, CLAIM_BYTES = '>I4I4BBB', 11
-- An expanded task: items, maximum at a time, cursor, ended, running, to be repeated, reported, whether it is
-- scanning, and the length of its queue entry. The entry follows, then the name.
local SPLIT, SPLIT_BYTES = '>I4I4I4I4I4I4I4BB', 30
-- A node: task and element. Element 0 is the task itself; element n + 1 is the n-th.
local NODE = '>I4I4'
-- A task as a dependent, in the list of edges.
local EDGE, EDGE_BYTES = '>I4', 4
-- An entry of the queue after its letter and class: order, sequence number, task, element.
local CLASS, ENTRY = '>H', '>I8I8I4I4'
-- Represents all elements of a task in a lane.
local ELEMENTS = 4294967295

-- Maximum number of claims that one commit hands out by the fast path.
local MAX_CLAIMS = 1000
-- Maximum number of claims without a slot that one commit hands out. Hosts draw tokens for them.
local MAX_SLOTLESS_CLAIMS = 256

-- Formats a token: its host's prefix, and a number.
local function token_of(prefix, number) return prefix .. string.format('%08x', number) end

-- Parses amounts of resources, as hosts format them.
local function amounts(text)
  local list = {}
  for amount in text:gmatch('%d+') do list[#list + 1] = tonumber(amount) end
  return list
end

