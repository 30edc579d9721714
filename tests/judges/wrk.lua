-- Publishes with wrk, and counts the answers of each status.
--
-- Each request has a number of its own in its thread, so that each message is another one.
local number, seen = 0, {}
local threads = {}

function setup(thread)
   thread:set("id", #threads)
   table.insert(threads, thread)
end

function request()
   number = number + 1
   return wrk.format("POST", nil, { ["Content-Type"] = "text/plain" }, id .. ":" .. number)
end

statuses = ""
function response(status)
   seen[status] = (seen[status] or 0) + 1
   local pairs_of = {}
   for code, count in pairs(seen) do pairs_of[#pairs_of + 1] = '"' .. code .. '":' .. count end
   statuses = table.concat(pairs_of, ",")
end

function done(summary)
   local each = {}
   for _, thread in ipairs(threads) do each[#each + 1] = "{" .. thread:get("statuses") .. "}" end
   local errors = summary.errors
   io.write("counted: {\"requests\":", summary.requests, ",\"connect\":", errors.connect, ",\"read\":", errors.read,
      ",\"write\":", errors.write, ",\"timeout\":", errors.timeout, ",\"threads\":[", table.concat(each, ","), "]}\n")
end
