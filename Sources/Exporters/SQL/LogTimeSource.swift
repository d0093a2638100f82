/// Where the time of a log record's row comes from: the value of `time_source`.
enum LogTimeSource: Int16 {
    case item = 0
    case observation = 1
    case arrival = 2
}
