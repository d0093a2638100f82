import CPostgreSQL
internal import Glibc
import Pipeline

/// libpq, loaded when the first `postgres` exporter is made: linked, it and the twenty libraries
/// behind it would cost every start 15 ms and every process 3 MB.
///
/// The functions have libpq's names and meanings:
/// https://www.postgresql.org/docs/15/libpq.html
@safe struct LibPQ: @unchecked Sendable {
    // SAFETY: the library is never closed, so the functions stay where they are; each has the type
    // that libpq-fe.h gives it, with which the compiler checks its use below.
    typealias Connection = OpaquePointer
    typealias Result = OpaquePointer
    typealias Text = UnsafePointer<CChar>

    let connectStartParams:
        @convention(c) (
            UnsafePointer<Text?>, UnsafePointer<Text?>, CInt
        ) -> Connection?
    let connectPoll: @convention(c) (Connection) -> PostgresPollingStatusType
    let finish: @convention(c) (Connection) -> Void
    let status: @convention(c) (Connection) -> ConnStatusType
    let errorMessage: @convention(c) (Connection) -> Text?
    let socket: @convention(c) (Connection) -> CInt
    let serverVersion: @convention(c) (Connection) -> CInt
    let parameterStatus: @convention(c) (Connection, Text) -> Text?
    let host: @convention(c) (Connection) -> Text?
    let port: @convention(c) (Connection) -> Text?
    let database: @convention(c) (Connection) -> Text?
    let setNonblocking: @convention(c) (Connection, CInt) -> CInt
    let setNoticeProcessor:
        @convention(c) (
            Connection, PQnoticeProcessor?, UnsafeMutableRawPointer?
        ) -> PQnoticeProcessor?
    let sendQuery: @convention(c) (Connection, Text) -> CInt
    let sendQueryParams:
        @convention(c) (
            Connection, Text, CInt, UnsafePointer<Oid>?, UnsafePointer<Text?>?,
            UnsafePointer<CInt>?, UnsafePointer<CInt>?, CInt
        ) -> CInt
    let flush: @convention(c) (Connection) -> CInt
    let consumeInput: @convention(c) (Connection) -> CInt
    let isBusy: @convention(c) (Connection) -> CInt
    let getResult: @convention(c) (Connection) -> Result?
    let putCopyData: @convention(c) (Connection, Text, CInt) -> CInt
    let putCopyEnd: @convention(c) (Connection, Text?) -> CInt
    let clear: @convention(c) (Result) -> Void
    let resultStatus: @convention(c) (Result) -> ExecStatusType
    let resultErrorField: @convention(c) (Result, CInt) -> Text?
    let rowCount: @convention(c) (Result) -> CInt
    let isNull: @convention(c) (Result, CInt, CInt) -> CInt
    let value: @convention(c) (Result, CInt, CInt) -> Text?
    let affectedRows: @convention(c) (Result) -> Text?
    let parse:
        @convention(c) (
            Text, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        ) -> UnsafeMutablePointer<PQconninfoOption>?
    let freeOptions: @convention(c) (UnsafeMutablePointer<PQconninfoOption>?) -> Void
    let freeMemory: @convention(c) (UnsafeMutableRawPointer?) -> Void

    static let packageName = "libpq5"

    /// Finds the library; the second time that is no work.
    init() throws(ComponentError) {
        guard let library = unsafe dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL) else {
            throw ComponentError(
                "PostgreSQL's client library, libpq.so.5, is not there; install the package "
                    + Self.packageName)
        }
        func find<Function>(_ name: String) throws(ComponentError) -> Function {
            guard let symbol = unsafe dlsym(library, name) else {
                throw ComponentError("libpq.so.5 is too old: it has no \(name)")
            }
            return unsafe unsafeBitCast(symbol, to: Function.self)
        }
        unsafe connectStartParams = try find("PQconnectStartParams")
        unsafe connectPoll = try find("PQconnectPoll")
        unsafe finish = try find("PQfinish")
        unsafe status = try find("PQstatus")
        unsafe errorMessage = try find("PQerrorMessage")
        unsafe socket = try find("PQsocket")
        unsafe serverVersion = try find("PQserverVersion")
        unsafe parameterStatus = try find("PQparameterStatus")
        unsafe host = try find("PQhost")
        unsafe port = try find("PQport")
        unsafe database = try find("PQdb")
        unsafe setNonblocking = try find("PQsetnonblocking")
        unsafe setNoticeProcessor = try find("PQsetNoticeProcessor")
        unsafe sendQuery = try find("PQsendQuery")
        unsafe sendQueryParams = try find("PQsendQueryParams")
        unsafe flush = try find("PQflush")
        unsafe consumeInput = try find("PQconsumeInput")
        unsafe isBusy = try find("PQisBusy")
        unsafe getResult = try find("PQgetResult")
        unsafe putCopyData = try find("PQputCopyData")
        unsafe putCopyEnd = try find("PQputCopyEnd")
        unsafe clear = try find("PQclear")
        unsafe resultStatus = try find("PQresultStatus")
        unsafe resultErrorField = try find("PQresultErrorField")
        unsafe rowCount = try find("PQntuples")
        unsafe isNull = try find("PQgetisnull")
        unsafe value = try find("PQgetvalue")
        unsafe affectedRows = try find("PQcmdTuples")
        unsafe parse = try find("PQconninfoParse")
        unsafe freeOptions = try find("PQconninfoFree")
        unsafe freeMemory = try find("PQfreemem")
    }
}
