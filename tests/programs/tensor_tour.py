"""Storage, strides, offsets and contiguity, as tutorials show them."""

import torch


def main(compile):
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    results = {}
    results["storage"] = [points.untyped_storage().nbytes(), *points.storage().tolist()]
    second = points[1]
    results["second"] = (second.storage_offset(), tuple(second.stride()), tuple(second.size()))
    second[0] = 10.0
    results["shared"] = points.tolist()
    clone = points[1].clone()
    clone[0] = 7.0
    results["cloned"] = points[1].tolist()
    turned = points.t()
    results["turned"] = (tuple(turned.stride()), turned.is_contiguous(), turned.data_ptr() == points.data_ptr())
    solid = turned.contiguous()
    results["solid"] = (tuple(solid.stride()), solid.is_contiguous(), solid.data_ptr() == points.data_ptr())
    try:
        turned.view(6)
    except RuntimeError as error:
        results["refused"] = "reshape" in str(error)
    results["reshaped"] = turned.reshape(6).tolist()
    volume = torch.arange(24).view(2, 3, 4)
    moved = volume.permute(2, 0, 1)
    results["moved"] = (tuple(moved.shape), tuple(moved.stride()), moved[1, 1, 2].item())
    window = volume.as_strided((2, 2), (12, 5), 1)
    window += 100
    results["window"] = volume.tolist()
    results["unfolded"] = torch.arange(7).unfold(0, 3, 2).tolist()
    results["diagonal"] = volume[0, :, :3].diagonal().tolist()
    rows = torch.zeros(3, 4)
    rows[:, ::2] = torch.tensor([1.0, 2.0])
    rows[torch.tensor([0, 2]), torch.tensor([1, 3])] = -1.0
    rows[rows == 2] = 9.0
    results["assigned"] = rows.tolist()
    results["printed"] = str(rows)
    expanded = torch.tensor([[1], [2]]).expand(2, 3)
    results["expanded"] = (tuple(expanded.stride()), expanded.sum().item())

    @compile
    def write_through_views(x):
        y = x.clone()
        y[1:, ::2] *= 10
        y.t()[0] += 1
        y.view(-1)[-1] = 0
        return y

    results["compiled"] = [write_through_views(points + i).tolist() for i in range(3)]
    return {"results": results}
