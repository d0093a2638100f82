import Bytes
import OTLP
import Pipeline

/// Applies actions to every resource of a batch: the work of `resource` and `resourcedetection`.
struct ResourceEditor: Sendable {
    // message Resource { repeated KeyValue attributes = 1; … }
    private static let attributesField = 1
    // message ResourceSpans { Resource resource = 1; … }, and the same for metrics and logs.
    private static let resourceField = 1

    let actions: [AttributeAction]

    /// - Returns: how many matches of patterns were given up at a limit.
    func edit(_ batch: inout Batch, _ context: RequestContext) throws(Refusal) -> Int {
        guard !actions.isEmpty else { return 0 }
        let bound = AttributeActions(actions, context)
        try batch.apply(gather(bound, batch.edit(), batch.index, batch.payload.rawSpan))
        return bound.limitReachedCount
    }

    /// About how many bytes `edit` would add.
    func growth(of batch: Batch, _ context: RequestContext) -> Int {
        guard !actions.isEmpty else { return 0 }
        return batch.index.resources.count * AttributeActions.addedBytes(actions, context)
    }

    private func gather(
        _ actions: AttributeActions, _ edit: consuming PayloadEdit, _ index: TelemetryIndex,
        _ payload: RawSpan
    ) -> PayloadEdit {
        var edit = edit
        var set = AttributeSet()
        // A resource without items says nothing of anything, and a request can hold millions: it
        // gets nothing. What has to go from it, or to be hashed, goes all the same.
        for resource in index.resources
        where !(resource.items.isEmpty && resource.attributeCount == 0) && !edit.isTooLarge {
            set.load(resource.attributes, field: Self.attributesField, in: payload)
            actions.apply(to: &set, in: payload)
            if resource.items.isEmpty { set.removeAdded() }
            write(set, of: resource, to: &edit, index, payload)
        }
        return edit
    }

    private func write(
        _ set: AttributeSet, of resource: ResourceEntry, to edit: inout PayloadEdit,
        _ index: TelemetryIndex, _ payload: RawSpan
    ) {
        guard resource.resourceFrame < 0 else {
            let frame = Int(resource.resourceFrame)
            let end =
                resource.attributeCount > 0
                ? resource.attributes.upperBound : index.frames[frame].body.lowerBound
            set.write(
                to: &edit, field: Self.attributesField, end: end, inside: .frame(frame),
                in: payload)
            return
        }
        let added = set.addedFields(field: Self.attributesField, in: payload)
        guard !added.isEmpty else { return }
        var message = ProtobufWriter()
        message.bytes(Self.resourceField, added)
        let frame = Int(resource.frame)
        edit.insert(
            message.bytes, at: index.frames[frame].body.lowerBound, inside: .frame(frame))
    }
}
