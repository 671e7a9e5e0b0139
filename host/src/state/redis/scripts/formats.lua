-- The forms in which hosts and scripts exchange data, and in which it is stored: numbers, letters, bytes and bounds.
-- `run/formats.rs` and `run/wire.rs` have the same for hosts; a test holds them against this file.
local pack, unpack_bytes = struct.pack, struct.unpack

-- Phases of a node; the last three are final.
local WAITING, QUEUED, CLAIMED, DONE, DROPPED, BROKEN = 0, 1, 2, 3, 4, 5
-- Flags of a node. The last three are of tasks: with deadlines, past one of them, past one that ends all open nodes.
local FLAG_TAINTED, FLAG_REPORTED, FLAG_LAPSED, FLAG_WAITED, FLAG_SPLIT, FLAG_TIMED, FLAG_OVERDUE, FLAG_ENDS_AT_ONCE =
  1, 2, 4, 8, 16, 32, 64, 128
-- Kinds of a task, which never change. A task leads if nodes of others wait for its elements or its expansion, and
-- follows if its elements wait for those of others. Its nodes may be computed in iterations.
-- Nodes of a task that offers may have results of another plan.
local KIND_WANTED, KIND_LEADS, KIND_KEPT, KIND_SHARES, KIND_CLOSING, KIND_FOLLOWS, KIND_REPEATS, KIND_OFFERS =
  1, 2, 4, 8, 16, 32, 64, 128
-- What a node waits for: the end of another, or that it was expanded.
local ON_ENDED, ON_EXPANDED = 0, 1
-- Stages of a claim.
local IS_READY, IS_TAINTED, IS_EXPANDED, IS_CLOSING, IS_OVERDUE = 0, 1, 2, 3, 4
-- Scopes of resources.
local OWN, SHARED, ELASTIC = 0, 1, 2
-- Settlements, and the answers to them.
local AS_DONE, AS_SKIPPED, AS_LEFT_OUT, AS_FAILED, AS_RETRY, AS_PASSED, AS_RELEASE, AS_AWAIT, AS_ITERATED, AS_EXPAND,
  AS_ACCEPTED = 'D', 'S', 'H', 'F', 'R', 'P', 'B', 'A', 'I', 'E', 'O'
local COMMITTED, NOT_HELD = 'C', 'N'
-- Pending propagation: edges to follow, stored elements to skip, and tasks and elements past a deadline.
local EDGES_LEFT, ELEMENTS_LEFT, OVERDUE_TASKS, OVERDUE_ELEMENTS = 0, 1, 2, 3

-- The record of a task. Its front changes: phase, flags, takeovers, open dependencies, attempt. An attempt has its
-- step in the bits from STEP on. The rest does not change: kind, levels of elements, class, order, first edge, edges.
local RECORD, FRONT = '>BBHI4I4BBHI8I4I4', '>BBHI4I4'
local RECORD_BYTES, FRONT_BYTES, STEP = 32, 12, 2 ^ 24
-- Records are read and written in pages, because tasks that run together lie together.
local PAGE, PAGE_BYTES = 32, 1024
-- A claim: task, stage, whether the element has a record, whether it has lapsed, length of the path. The path of the
-- node follows, then the host.
local CLAIM, CLAIM_BYTES = '>I4BBBB', 8
-- An expanded node: items, maximum at a time, cursor, ended, running, ready, reported, flags (1: it is scanning, 2: all
-- that has ended is kept from an earlier life), and the length of its queue entry. The entry follows.
local SPLIT, SPLIT_BYTES = '>I4I4I4I4I4I4I4BB', 30
-- A node: its task, and the length of its path. The path has the indexes of the element, outermost first; that of a
-- task is empty.
local NODE, NODE_BYTES, INDEX, INDEX_BYTES = '>I4B', 5, '>I4', 4
-- A task as a dependent, in the list of edges.
local EDGE, EDGE_BYTES = '>I4', 4
-- An edge between elements, or to the expansion of a node: the other task, the number of indexes, what is waited for.
local LEAD, LEAD_BYTES = '>I4BB', 6
-- A deadline: its limit in milliseconds, and whether all open nodes end at once. The tasks that it binds follow.
local CLOCK, CLOCK_BYTES = '>I8B', 9
-- An offer: the call, how many iterations there are, and whether there is a result. The result follows.
local OFFER, OFFER_BYTES = '>c16I4B', 21
-- An entry of the queue after its letter and class: order, sequence number, whether it stands for all elements of the
-- node that are ready, and the task of the node. The path follows.
local CLASS, ENTRY, ENTRY_BYTES = '>H', '>I8I8BI4', 21

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

