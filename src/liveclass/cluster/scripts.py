"""The rules of `cluster/ledger.py` as Lua, so that each call is one atomic step inside Redis. Text alone.

Times are Redis's own, in milliseconds: no node's clock counts. All keys share one slot of a cluster (`{prefix}`):

    nodes      hash: what each node says of itself, by id
    leases     sorted set: when each node's lease ends
    forgotten  sorted set: when each was forgotten
    meta       hash: highest fence, young_until, patient_until, silent_at, epoch
    claim:ID   "fence node" of one lesson; "fence " when released

What this directory knows beyond the other two: it can be put back to an older state, and says so by the server's run
id, which is new after each start and each failover. Kept in `epoch`, it makes the directory young when it differs.
"""

from liveclass.cluster.directory import FORGET_S, FRESH, PATIENCE_LEASES, RELEASED_S
from liveclass.cluster.ledger import LONGEST_LEASE_S

_SHARED = f"""
local NODES, LEASES, FORGOTTEN, META = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LONGEST, FORGET = {LONGEST_LEASE_S * 1000:.0f}, {FORGET_S * 1000:.0f}
local RELEASED, PATIENCE, FRESH = {RELEASED_S * 1000:.0f}, {PATIENCE_LEASES}, {FRESH}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function text(number) return string.format('%.0f', number) end
local function meta(name) return tonumber(redis.call('HGET', META, name) or 0) end
local function put_meta(name, value) redis.call('HSET', META, name, text(value)) end

local function heard()
  local left = meta('silent_at') - now
  return left > 0 and left < LONGEST
end
local function left_of(name)
  local left = meta(name) - now
  if left > 0 and left < LONGEST then return left end
  return 0
end
local function young() return left_of('young_until') end
local function lasts(node)
  local ends = redis.call('ZSCORE', LEASES, node)
  local left = ends and tonumber(ends) - now or 0
  if left > 0 and left < LONGEST then return left end
  return 0
end
local function lives(node)
  if not redis.call('ZSCORE', LEASES, node) then return false end
  return lasts(node) > 0 or young() > 0 or not heard()
end
local function hear(node, info, ttl)
  local epoch = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'none'
  if redis.call('HGET', META, 'epoch') ~= epoch then
    redis.call('HSET', META, 'epoch', epoch)
    put_meta('young_until', now + ttl)
  elseif not heard() and redis.call('HLEN', NODES) > redis.call('HEXISTS', NODES, node) then
    put_meta('young_until', now + ttl)
  end
  put_meta('silent_at', now + ttl)
  if info then redis.call('HSET', NODES, node, info) end
  redis.call('ZADD', LEASES, text(now + ttl), node)
end
local function entry(key)
  local line = redis.call('GET', key)
  if not line then return nil, nil end
  local fence, node = string.match(line, '^(%d+) (.*)$')
  return tonumber(fence), node
end
local function put_entry(key, fence, node) redis.call('SET', key, text(fence) .. ' ' .. node, 'PX', RELEASED) end
"""

REGISTER = (
    _SHARED
    + """
local node, info, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now - FORGET))) do
  redis.call('HDEL', NODES, old)
  redis.call('ZREM', LEASES, old)
end
redis.call('ZREMRANGEBYSCORE', FORGOTTEN, '-inf', text(now - FORGET))
redis.call('ZREM', FORGOTTEN, node)
hear(node, info, ttl)
return 'ok'
"""
)
"""KEYS: the four. ARGV: node, info, ttl."""

RENEW = (
    _SHARED
    + """
local node, info, ttl, channel = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if redis.call('ZSCORE', FORGOTTEN, node) then return redis.error_reply('FORGOTTEN') end
hear(node, info, ttl)
if ARGV[5] == '1' then put_meta('patient_until', now + ttl) end
local lost, highest = {young() > 0 and 'young' or 'settled'}, meta('highest')
for at = 5, #KEYS do
  local lesson, mine = ARGV[at * 2 - 4], tonumber(ARGV[at * 2 - 3])
  local fence, holder = entry(KEYS[at])
  if not fence or fence < mine then
    put_entry(KEYS[at], mine, node)
    highest = math.max(highest, mine)
    redis.call('PUBLISH', channel, lesson)
  elseif holder ~= node or fence ~= mine then
    lost[#lost + 1] = lesson
  elseif redis.call('PTTL', KEYS[at]) < RELEASED / 2 then
    redis.call('PEXPIRE', KEYS[at], RELEASED)
  end
end
put_meta('highest', highest)
return lost
"""
)
"""KEYS: the four and the claims. ARGV: node, info, ttl, channel, blind, then lesson and fence of each claim. Answer:
settled or young, then what is lost."""

NODES = (
    _SHARED
    + """
local all = young() > 0 or not heard()
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', LEASES, all and '-inf' or text(now + 1), '+inf')) do
  if all or lasts(node) > 0 then found[#found + 1] = redis.call('HGET', NODES, node) end
end
return found
"""
)
"""KEYS: the four."""

CLAIM = (
    _SHARED
    + """
local node, ttl, channel, lesson = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
if redis.call('ZSCORE', FORGOTTEN, node) or not redis.call('ZSCORE', LEASES, node) then
  return redis.error_reply('FORGOTTEN')
end
local fence, holder = entry(KEYS[5])
if holder == '' or holder == node then holder = nil end
if holder and lives(holder) then return {'owned', text(fence), holder} end
local dead = holder and redis.call('ZSCORE', FORGOTTEN, holder)
hear(node, nil, math.max(ttl, lasts(node)))
if not dead then
  if young() > 0 then return {'young', text(young()), ''} end
  if holder and redis.call('ZSCORE', LEASES, holder) then
    if left_of('patient_until') > 0 then return {'young', text(left_of('patient_until')), ''} end
    local live = redis.call('ZCOUNT', LEASES, text(now + (1 - FRESH) * ttl), text(now + LONGEST))
    local recent = redis.call('ZCOUNT', LEASES, text(now - PATIENCE * ttl), text(now + LONGEST))
    if live * 2 < recent then return {'young', text(ttl), ''} end
  end
end
local won = math.max(meta('highest') + 1, (fence or 0) + 1, now)
put_meta('highest', won)
put_entry(KEYS[5], won, node)
redis.call('PUBLISH', channel, lesson)
return {'owned', text(won), node}
"""
)
"""KEYS: the four and the claim. ARGV: node, ttl, channel, lesson."""

OWNER = (
    _SHARED
    + """
local fence, holder = entry(KEYS[5])
if not fence or holder == '' or not lives(holder) then return false end
return {text(fence), holder}
"""
)
"""KEYS: the four and the claim."""

RELEASE = (
    _SHARED
    + """
local node, mine, channel, lesson = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local fence, holder = entry(KEYS[5])
if fence == mine and holder == node then
  put_entry(KEYS[5], fence, '')
  redis.call('PUBLISH', channel, lesson)
end
return 'ok'
"""
)
"""KEYS: the four and the claim. ARGV: node, fence, channel, lesson."""

FORGET_NODE = (
    _SHARED
    + """
local node, channel = ARGV[1], ARGV[2]
if redis.call('ZREM', LEASES, node) > 0 then
  redis.call('HDEL', NODES, node)
  redis.call('ZADD', FORGOTTEN, text(now), node)
  redis.call('PUBLISH', channel, '')
end
return 'ok'
"""
)
"""KEYS: the four. ARGV: node, channel."""
