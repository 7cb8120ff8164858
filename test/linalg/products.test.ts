// Products: einsum against sums written out, contraction orders, integers, broadcasting of in-place forms, errors.
import { describe, expect, test } from 'vitest';
import * as fb from '../../src/index.js';
import type { Tensor } from '../../src/index.js';

const close = (a: Tensor, b: Tensor): void => {
  expect(a.shape).toEqual(b.shape);
  expect(a.numel() === 0 ? 0 : a.sub(b).abs().amax().item()).toBeLessThan(1e-4);
};

describe('einsum', () => {
  fb.manualSeed(1);
  const [a, b, c] = [fb.randn(2, 3), fb.randn(3, 4), fb.randn(4, 2)] as const;
  test('matrix products, chains and traces', () => {
    close(fb.einsum('ij,jk->ik', a, b), a.matmul(b));
    close(fb.einsum('ij,jk', [a, b]), a.matmul(b));
    close(fb.einsum('ij,jk,kl->il', a, b, c), a.matmul(b).matmul(c));
    close(fb.einsum('ij,jk,ki->', a, b, c), a.matmul(b).matmul(c).diagonal().sum());
    close(fb.einsum('ji', a), a.t());
  });
  test('ellipses broadcast, letters of size 1 too', () => {
    const [x, y] = [fb.randn(5, 1, 2, 3), fb.randn(4, 3, 6)];
    close(fb.einsum('...ij,...jk->...ik', x, y), x.matmul(y));
    close(fb.einsum('ij,jk->ik', fb.ones(2, 1), b), b.sum(0).expand([2, 4]));
    close(fb.einsum('...->', x), x.sum());
  });
  test('repeated letters are diagonals; sums of what nobody else has come first', () => {
    const s = fb.randn(3, 3, 2);
    close(fb.einsum('iij->ij', s), s.diagonal(0, 0, 1).t());
    close(fb.einsum('iij->j', s), s.diagonal(0, 0, 1).t().sum(0));
    close(fb.einsum('ab,cd->a', a, b), a.sum(1).mul(b.sum()));
  });
  test('errors say what is wrong', () => {
    expect(() => fb.einsum('ij,jk->ik', a)).toThrow(/fewer operands|more subscripts/);
    expect(() => fb.einsum('i->i', a)).toThrow(/number of subscripts .* does not match the number of dimensions/);
    expect(() => fb.einsum('ij->ik', a)).toThrow(/output subscript k does not appear/);
    expect(() => fb.einsum('ij->ii', a)).toThrow(/appears more than once in the output/);
    expect(() => fb.einsum('ij,jk->ik', a, a)).toThrow(/does not broadcast/);
    expect(() => fb.einsum('i1->i', a)).toThrow(/invalid subscript/);
    expect(() => fb.einsum('i.j->i', a)).toThrow(/not part of any ellipsis/);
  });
});

test('integers wrap and keep their dtype', () => {
  const x = fb.tensor([[100, 100]], { dtype: 'uint8' });
  expect(x.matmul(x.t()).item()).toBe(20000 % 256);
  expect(fb.addbmm(fb.zeros([1, 1], { dtype: 'uint8' }), x.unsqueeze(0), x.t().unsqueeze(0)).dtype).toBe('uint8');
  expect(fb.kron(x, x).shape).toEqual([1, 4]);
});

test('beta = 0 does not read self; in-place forms do not broadcast', () => {
  const nan = fb.full([2, 3], NaN);
  const [m, n] = [fb.randn(2, 4), fb.randn(4, 3)];
  close(fb.addmm(nan, m, n, { beta: 0 }), m.matmul(n));
  close(fb.baddbmm(nan, m.unsqueeze(0), n.unsqueeze(0), { beta: 0 }).squeeze(0), m.matmul(n));
  const self = fb.zeros(2, 3);
  self.addmm_(m, n, { alpha: 2 });
  close(self, m.matmul(n).mul(2));
  expect(() => fb.zeros(3).addmm_(m, n)).toThrow();
});

test('tensordot, inner, kron and multiDot agree with their definitions', () => {
  const [x, y] = [fb.randn(2, 3, 4), fb.randn(4, 3, 5)];
  close(
    fb.tensordot(x, y, [
      [2, 1],
      [0, 1],
    ]),
    fb.einsum('abc,cbd->ad', x, y),
  );
  close(fb.tensordot(x, fb.randn(2), 0).select(-1, 0).mul(0), x.mul(0));
  close(fb.inner(x, fb.ones(4)), x.sum(-1));
  expect(() => fb.tensordot(x, y, [[0], [0]])).toThrow(/contracted dimensions need to match/);
  const list = [fb.randn(3, 10), fb.randn(10, 2), fb.randn(2, 8), fb.randn(8)] as const;
  close(fb.linalg.multiDot([...list]), list[0].matmul(list[1].matmul(list[2].matmul(list[3]))));
  close(fb.linalg.matrixPower(fb.eye(3).mul(2), 5), fb.eye(3).mul(32));
});

test('vectors, matrices and 16-bit floats', () => {
  const [m, v] = [fb.randn(3, 4), fb.randn(4)];
  expect(() => m.mv(m)).toThrow(/vector \+ matrix @ vector expected/);
  expect(() => fb.outer(m, v)).toThrow(/Expected 1-D argument self, but got 2-D/);
  expect(() => fb.linalg.cross(m, m)).toThrow(/must have length 3/);
  expect(m.half().matmul(v.half()).dtype).toBe('float16');
  expect(m.bfloat16().matmul(v.bfloat16()).sub(m.matmul(v)).abs().amax().item()).toBeLessThan(0.1);
});
